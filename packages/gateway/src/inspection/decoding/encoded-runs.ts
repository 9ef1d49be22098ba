import { normalised } from '../normal/normalised.ts';
import type { Transform } from '../types.ts';
import { decodedRun } from './alphabets.ts';
import { escapedSpans, spacedHex } from './escapes.ts';
import { readable } from './readable.ts';
import { alphabetOf, spelled, stretches } from './stretches.ts';
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
const LEAST = 16;
/** A run that goes on in the next line. */
const NEXT_LINE = /=?[ \t]{0,8}\r?\n[ \t]{0,8}(?=[A-Za-z0-9+/_-]{4})/y;
/** Shorter ones are not turned. */
const TURNED = 16;
const CLEAN = /^[\s\p{L}\p{N}\p{P}\p{S}]*$/u;
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
  return joinedLines(text, stretches(text, ALPHABET, LEAST)).flatMap(({ start, end }) =>
    readingsOf(spelled(text.slice(start, end)).replaceAll(/[\s=]+/g, '')).map((found) => ({ start, end, ...found })),
  );
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
  let next = NEXT_LINE.lastIndex;
  while (next < text.length && ALPHABET[text.charCodeAt(next)] === 1) next += 1;
  return next;
}

/**
 * What a run says. Where that is no clean text, the run may have been turned round, or its letters rotated; its turn to be decoded comes
 * then.
 */
function readingsOf(run: string): { text: string; via: Transform }[] {
  const found = decodedRun(run);
  if (run.length < TURNED || (found !== null && CLEAN.test(found.text))) return found === null ? [] : [found];
  const round = reversed(run);
  const turned: { text: string; via: Transform }[] = [
    { text: round, via: 'reversed' },
    { text: rot13(run), via: 'rot13' },
    { text: rot13(round), via: 'rot13' },
  ];
  return [...(found === null ? [] : [found]), ...turned.filter(({ text }) => decodedRun(text) !== null)];
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
