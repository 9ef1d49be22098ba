import { decodeBase64Url } from './base64url.ts';

/**
 * Bytes of base64 text in an evidence field, where producers use either alphabet, with or without padding (wire-formats
 * section 3). Everything else is as strict as {@link decodeBase64Url}: one alphabet at a time, no white space, no stray bits.
 *
 * @throws EncodingError
 */
export function decodeEvidenceBase64(text: string): Uint8Array<ArrayBuffer> {
  const padded = text.length % 4 === 0;
  const bare = padded ? text.replace(/={1,2}$/, '') : text;
  // A text of the other alphabet is rewritten; one that mixes both keeps a character that is refused.
  const standard = /[+/]/.test(bare) && !/[-_]/.test(bare);
  return decodeBase64Url(standard ? bare.replaceAll('+', '-').replaceAll('/', '_') : bare);
}
