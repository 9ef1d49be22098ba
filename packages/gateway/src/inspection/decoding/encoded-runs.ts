import { spelled } from '../normal/lookalikes.ts';
import { normalised } from '../normal/normalised.ts';
import type { Transform } from '../types.ts';
import { decodedRun } from './alphabets.ts';
import { escapedSpans, spacedHex } from './escapes.ts';
import { readable } from './readable.ts';
import { alphabetOf, stretches } from './stretches.ts';
import { reversed, rot13 } from './turning.ts';

/** A part of a text that says something else once it is decoded. */
export interface EncodedRun {
  start: number;
  end: number;
  via: Transform;
  /** What it decodes to, which may hold encoded runs in its turn. */
  text: string;
}

/** Base64, base32 or hex. No word is so long, and few names are. */
const ALPHABET = alphabetOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-');
const LEAST = 8;
/** A shorter run counts only where it says a mark that opens something, or words: a name is no text. */
const LONG = 16;
const MARK = /^\s{0,4}[<[#|]|^[ -~]{0,11}[a-z] [a-z]/i;
const SHORT_RUN = /^[A-Za-z0-9+/_-]{8,16}={0,2}$/;
/** A run that goes on in the next line. */
const NEXT_LINE = /=?[ \t]{0,8}\r?\n[ \t]{0,8}/y;
const LEAST_NEXT = 4;
const TURNED = 24;
const BACKSPACE = '\b';

/**
 * What a text says to whoever decodes it (ATK-09). Disguises of the characters of a run are undone first. Only what decodes to a text
 * counts; linear, and what comes out is never longer than what went in.
 */
export function encodedRuns(text: string): readonly EncodedRun[] {
  const { text: seen, at } = normalised(text);
  const runs = [...inAlphabets(seen), ...inEscapes(seen)].map((run) => ({
    ...run,
    start: at(run.start),
    end: at(run.end),
  }));
  return [...runs, ...withoutBackspaces(text)];
}

function inAlphabets(text: string): EncodedRun[] {
  return joinedLines(text, stretches(text, ALPHABET, LEAST)).flatMap(({ start, end }) => {
    if (end - start < LONG && isWord(text, start, end)) return [];
    const found = ofRun(spelled(text.slice(start, end)).replaceAll(/[\s=]+/g, ''));
    return found === null ? [] : [{ start, end, ...found }];
  });
}

/** Letters of one case, but for the first. */
function isWord(text: string, start: number, end: number): boolean {
  for (let index = start + 1; index < end; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit !== 0x2d && unit !== 0x5f && (unit < 0x61 || unit > 0x7a)) return false;
  }
  return true;
}

/** Each stretch with the lines that it goes on in, be they shorter. */
function joinedLines(text: string, parts: readonly { start: number; end: number }[]): { start: number; end: number }[] {
  const whole: { start: number; end: number }[] = [];
  let covered = 0;
  for (const { start, end } of parts) {
    if (end <= covered) continue;
    covered = end;
    for (let next = lineAfter(text, covered); next !== covered; next = lineAfter(text, covered)) covered = next;
    whole.push({ start, end: covered });
  }
  return whole;
}

function lineAfter(text: string, end: number): number {
  NEXT_LINE.lastIndex = end;
  if (!NEXT_LINE.test(text)) return end;
  const start = NEXT_LINE.lastIndex;
  let next = start;
  while (next < text.length && ALPHABET[text.charCodeAt(next)] === 1) next += 1;
  return next - start >= LEAST_NEXT || (next - start > 1 && text[next] === '=') ? next : end;
}

/** A run that says nothing may do so turned round, or with its letters rotated; its turn to be decoded comes then. */
function ofRun(run: string): { text: string; via: Transform } | null {
  if (run.length < LONG) return ofShort(run);
  const found = decodedRun(run);
  if (found !== null) return found;
  if (run.length < TURNED) return ofShort(run);
  const turned = reversed(run);
  if (decodedRun(turned) !== null) return { text: turned, via: 'reversed' };
  if (decodedRun(rot13(run)) !== null) return { text: rot13(run), via: 'rot13' };
  return decodedRun(rot13(turned)) === null ? null : { text: rot13(turned), via: 'rot13' };
}

/** Also rotated, or encoded once more. */
function ofShort(run: string): { text: string; via: Transform } | null {
  const found = decodedRun(run);
  if (found !== null) return saysMark(found.text) ? found : null;
  const rotated = rot13(run);
  const said = decodedRun(rotated);
  return said !== null && saysMark(said.text) ? { text: rotated, via: 'rot13' } : null;
}

function saysMark(text: string): boolean {
  return MARK.test(text) || (SHORT_RUN.test(text) && ofShort(text.replace(/=+$/, '')) !== null);
}

function inEscapes(text: string): EncodedRun[] {
  const bytes = spacedHex(text).flatMap(({ start, end, hex }): EncodedRun[] => {
    const said = readable(Buffer.from(hex, 'hex'));
    return said === null ? [] : [{ start, end, via: 'hex', text: said }];
  });
  return [...bytes, ...escapedSpans(text).map((span): EncodedRun => ({ ...span, via: 'hex' }))];
}

/** A terminal lets a backspace erase; a model reads on. Normalising does the former, so the latter is a reading of its own. */
function withoutBackspaces(text: string): EncodedRun[] {
  const first = text.indexOf(BACKSPACE);
  if (first === -1) return [];
  const start = text.lastIndexOf('\n', first) + 1;
  const last = text.lastIndexOf(BACKSPACE);
  const lineEnd = text.indexOf('\n', last);
  const end = lineEnd === -1 ? text.length : lineEnd;
  return [{ start, end, via: 'ansi', text: text.slice(start, end).replaceAll(BACKSPACE, '') }];
}
