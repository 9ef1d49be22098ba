import { isUtf8 } from 'node:buffer';

/** Long enough that bytes at random are not readable for so long. */
const STRETCH = 24;
/** One in so many characters may be a control. */
const CONTROLS = 8;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\0-\x06\x0e-\x1a\x1c-\x1f\x7f-\x9f]/g;

/** What the bytes say, where they are a text or hold a stretch of one; null: they are something else. */
export function readable(bytes: Buffer): string | null {
  if (bytes.length === 0) return null;
  const wide = wideText(bytes);
  if (wide !== null) return wide;
  if (isUtf8(bytes)) {
    const text = bytes.toString('utf8');
    if ((text.match(CONTROL)?.length ?? 0) * CONTROLS <= text.length) return text;
  }
  return hasStretch(bytes) ? bytes.toString('utf8') : null;
}

/** UTF-16 of Latin letters: every other byte is 0. */
function wideText(bytes: Buffer): string | null {
  if (bytes.length < 8) return null;
  const low = bytes[0] === 0 ? 1 : 0;
  for (let index = 0; index < 8; index += 1) {
    if ((bytes[index] === 0) === (index % 2 === low)) return null;
  }
  const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
  return (low === 0 ? even : Buffer.from(even).swap16()).toString('utf16le');
}

/** Looks at every {@link STRETCH}th byte and goes back from there, so that what is no text costs next to nothing. */
function hasStretch(bytes: Buffer): boolean {
  let from = 0;
  while (from + STRETCH <= bytes.length) {
    let index = from + STRETCH - 1;
    while (index >= from && isPrintable(bytes[index] ?? 0)) index -= 1;
    if (index < from) return true;
    from = index + 1;
  }
  return false;
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13;
}
