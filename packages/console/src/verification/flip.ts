import type { GivenFile, Place } from './given-file.ts';
import { spanOf } from './locate.ts';

/** One bit of one byte of a given file, turned over for a demonstration. The file itself is never touched. */
export interface Flip {
  file: number;
  fileName: string;
  offset: number;
  before: number;
  after: number;
}

const DIGIT = /[0-9]/;
const LETTER_OR_DIGIT = /[0-9A-Za-z]/;

/**
 * Turns a bit in the text at `place`: of its last digit, or else its last letter, so that the file stays JSON and the check that
 * fails is not the parser's. null where there is no such text.
 */
export function flipAt(files: readonly GivenFile[], place: Place): Flip | null {
  const file = files.find((each) => each.id === place.file);
  const span = file === undefined ? null : spanOf(file.bytes, place);
  if (file === undefined || span === null) return null;
  const text = String.fromCharCode(...file.bytes.subarray(span.start, span.end));
  const found = lastOf(text, DIGIT) ?? lastOf(text, LETTER_OR_DIGIT);
  if (found === null) return null;
  const offset = span.start + found;
  const before = file.bytes[offset] ?? 0;
  const after = LETTER_OR_DIGIT.test(String.fromCharCode(before ^ 1)) ? before ^ 1 : before ^ 2;
  return { file: file.id, fileName: file.name, offset, before, after };
}

function lastOf(text: string, pattern: RegExp): number | null {
  for (let i = text.length - 1; i >= 0; i--) if (pattern.test(text.charAt(i))) return i;
  return null;
}

/** The files with that byte changed; the others, and the given one, as they are. */
export function flipped(files: readonly GivenFile[], flip: Flip | null): readonly GivenFile[] {
  if (flip === null) return files;
  return files.map((file) => {
    if (file.id !== flip.file) return file;
    const bytes = file.bytes.slice();
    bytes[flip.offset] = flip.after;
    return { ...file, bytes };
  });
}
