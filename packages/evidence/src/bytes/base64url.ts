import { EncodingError } from './utf8.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Base64url text of `bytes`, without padding (RFC 4648 section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0x3fff;
    for (bits += 8; bits >= 6; bits -= 6) text += ALPHABET.charAt((held >> (bits - 6)) & 63);
  }
  return bits > 0 ? text + ALPHABET.charAt((held << (6 - bits)) & 63) : text;
}

/**
 * Bytes of base64url text. Strict, so that one byte string has one text: no padding, no other alphabet, no white space, and
 * the unused bits of the last character are zero (wire-formats section 3).
 *
 * @throws EncodingError
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = digitOf(text.charCodeAt(i));
    if (digit < 0) throw new EncodingError('not base64url without padding');
    held = ((held << 6) | digit) & 0x3fff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
    }
  }
  if (bits >= 6 || (held & ((1 << bits) - 1)) !== 0)
    throw new EncodingError('the base64url text has stray bits at its end');
  return bytes;
}

/** As {@link decodeBase64Url}, but null for text that is not strict base64url. */
export function readBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return decodeBase64Url(text);
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}

function digitOf(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code - 0x41;
  if (code >= 0x61 && code <= 0x7a) return code - 0x61 + 26;
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 52;
  if (code === 0x2d) return 62;
  return code === 0x5f ? 63 : -1;
}
