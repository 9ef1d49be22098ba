import { EncodingError } from './utf8.ts';

const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal text of `bytes`. */
export function encodeHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += PAIRS[byte];
  return text;
}

/** Bytes of lower-case hexadecimal text. @throws EncodingError for upper case, an odd length or anything else */
export function decodeHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length >> 1);
  // Negative as soon as one digit is.
  let worst = text.length % 2 === 0 ? 0 : -1;
  for (let i = 0; i < bytes.length; i++) {
    const pair = (hexDigit(text.charCodeAt(2 * i)) << 4) | hexDigit(text.charCodeAt(2 * i + 1));
    worst |= pair;
    bytes[i] = pair;
  }
  if (worst < 0) throw new EncodingError('not lower-case hexadecimal of even length');
  return bytes;
}

/** The value of a lower-case hexadecimal digit, given as its character code; -1 for anything else. */
export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}
