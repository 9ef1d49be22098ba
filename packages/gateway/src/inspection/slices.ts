import { MATCH_SPAN } from './types.ts';

/** UTF-16 units of a text that are looked through in one go. */
export const SLICE = 32 * 1024;
/** Units among which encoded runs are looked for in one go. */
const CHUNK = 256 * 1024;
/** What base64, hex and percent-encoding are written with. */
const ENCODED = /[A-Za-z0-9+/=_%-]/;

/** Part of a text, with what is around it. What starts in `from` to `to`, of the part's own offsets, is found here. */
export interface Slice {
  text: string;
  /** Where the part begins in the whole. */
  at: number;
  from: number;
  to: number;
}

/** A text in parts, such that each match that keeps within {@link MATCH_SPAN} stands whole in the part that it starts in. */
export function* slices(text: string): Generator<Slice> {
  if (text.length <= SLICE + MATCH_SPAN) {
    yield { text, at: 0, from: 0, to: text.length };
    return;
  }
  for (let start = 0; start < text.length; start += SLICE) {
    const at = Math.max(0, start - MATCH_SPAN);
    const end = Math.min(text.length, start + SLICE);
    yield { text: text.slice(at, end + MATCH_SPAN), at, from: start - at, to: end - at };
  }
}

/** A text in parts, none of which ends inside of something encoded. */
export function* chunks(text: string): Generator<{ text: string; at: number }> {
  for (let start = 0; start < text.length; ) {
    const end = breakAfter(text, start + CHUNK);
    yield { text: text.slice(start, end), at: start };
    start = end;
  }
}

function breakAfter(text: string, from: number): number {
  let end = Math.min(from, text.length);
  while (end < text.length && ENCODED.test(text.charAt(end))) end += 1;
  return end;
}
