import { spelled } from '../normal/lookalikes.ts';
import { alphabetOf, stretches } from './stretches.ts';

/** One character as an escape of a programming language, of a mail or of an old URL. */
const ESCAPE = /\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\u\{[0-9a-f]{1,6}\}|%u[0-9a-f]{4}|\\[01][0-7]{2}|=[2-7][0-9a-f]/gi;
/** `69 67 6e`, `69:67:6e`, `0x69, 0x67`. */
const SPACED = /(?<![0-9a-z])(?:(?:0x)?[0-9a-f]{2}[ :,;\n-]{1,2}){7,}(?:0x)?[0-9a-f]{2}(?![0-9a-z])/gi;
const SPACED_ALPHABET = alphabetOf('0123456789abcdefABCDEFxX :,;\n-');
const LEAST_SPACED = 23;
const ANY = /\\[xu01]|%u|=[2-7][0-9a-f]/i;
/** What nobody escapes who does not mean to hide it. */
const HIDING = /[\p{L}\p{N}\p{C}\p{Default_Ignorable_Code_Point}]/u;
/** How far escapes may stand from one another, and the words that belong to them from the first and the last. */
const NEAR = 64;
const AROUND = 256;

export interface Span {
  start: number;
  end: number;
  text: string;
}

/** The places of a text in which characters are written as escapes, with these undone. */
export function escapedSpans(text: string): Span[] {
  if (!ANY.test(text)) return [];
  const spans: Span[] = [];
  let group: { start: number; end: number; hides: boolean } | null = null;
  const close = (): void => {
    if (group?.hides === true) spans.push(unescapedAround(text, group.start, group.end));
  };
  for (const { 0: written, index } of text.matchAll(ESCAPE)) {
    const [end, hides] = [index + written.length, HIDING.test(unescaped(written))];
    if (group === null || index - group.end > NEAR) {
      close();
      group = { start: index, end, hides };
    } else group = { start: group.start, end, hides: group.hides || hides };
  }
  close();
  return spans;
}

/** The places of a text that hold bytes in hex, one apart from the other. */
export function spacedHex(text: string): { start: number; end: number; hex: string }[] {
  return stretches(text, SPACED_ALPHABET, LEAST_SPACED).flatMap((stretch) =>
    // One unit more on either side, to see whether a word goes on there.
    [...spelled(text.slice(Math.max(0, stretch.start - 1), stretch.end + 1)).matchAll(SPACED)].map(
      ({ 0: run, index }) => {
        const start = Math.max(0, stretch.start - 1) + index;
        return { start, end: start + run.length, hex: run.replaceAll(/0x|[^0-9a-f]/gi, '') };
      },
    ),
  );
}

function unescapedAround(text: string, first: number, last: number): Span {
  const start = Math.max(0, first - AROUND);
  const end = Math.min(text.length, last + AROUND);
  return { start, end, text: text.slice(start, end).replaceAll(ESCAPE, unescaped) };
}

function unescaped(written: string): string {
  if (/^\\[01]/.test(written)) return String.fromCharCode(Number.parseInt(written.slice(1), 8));
  const code = Number.parseInt(written.replace(/^(?:\\u\{|\\[xu]|%u|=)/i, ''), 16);
  return code > 0xffff && code <= 0x10ffff ? String.fromCodePoint(code) : String.fromCharCode(code);
}
