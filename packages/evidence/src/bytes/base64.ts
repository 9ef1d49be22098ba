import { decodeBase64Url } from './base64url.ts';
import { EncodingError } from './utf8.ts';

/**
 * Bytes of base64 text (RFC 4648 section 4). Strict: padded to a multiple of four, no white space, and the unused bits of the
 * last character are zero.
 *
 * @throws EncodingError
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new EncodingError('not base64 with padding');
  return decodeBase64Url(text.replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_'));
}
