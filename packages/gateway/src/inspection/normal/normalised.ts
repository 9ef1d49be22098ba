import type { Transform } from '../types.ts';
import { UNUSUAL } from './characters.ts';
import { Rewriter } from './rewriter.ts';

/** A text as a reader takes it, and how it leads back to the text as it was sent. */
export interface Normalised {
  text: string;
  /**
   * What was undone anywhere in it. What is ordinary is undone without being named: ligatures, hard spaces, `&amp;`, accents, joiners
   * of emoji, a byte order mark, the controls of right-to-left text.
   */
  via: readonly Transform[];
  /** Where in the original the unit at this offset came from; never decreases. That of the end: the end. */
  at(offset: number): number;
  /** What had to be undone between two offsets of `text`, to see what stands there. */
  within(start: number, end: number): readonly Transform[];
}

const PLAIN = /^[\t\n\r\x20-\x25\x27-\x7e]*$/;
/** What of ASCII means something else than it is: controls, character references, percent-encoding. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CODED = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|&[#a-z\u0080-\uffff]|%[0-9a-f\u0080-\uffff][0-9a-fn-s\u0080-\uffff]/i;
const OTHER = /[^\0-\x7f]/;

/**
 * The text without what disguises it or hides it from people (ATK-07, ATK-08, ATK-09): compatibility forms, invisible and tag
 * characters, terminal sequences, character references, percent-encoding, stacked marks. Normalising it again changes nothing.
 */
export function normalised(text: string): Normalised {
  return isNormal(text) ? asIs(text) : new Rewriter(text).reading();
}

function isNormal(text: string): boolean {
  if (!text.includes('%') && PLAIN.test(text)) return true;
  if (CODED.test(text)) return false;
  return !OTHER.test(text) || (!UNUSUAL.test(text) && text.normalize('NFKC') === text);
}

function asIs(text: string): Normalised {
  return { text, via: [], at: (offset) => offset, within: () => [] };
}
