/** Bytes or text that are not in the encoding they should be in. The one error that the functions in `bytes/` throw. */
export class EncodingError extends Error {
  override readonly name = 'EncodingError';
}

/** UTF-8 bytes of `text`. A lone surrogate would be replaced silently, so it is refused. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  if (!text.isWellFormed()) throw new EncodingError('the text holds an unpaired surrogate');
  return new TextEncoder().encode(text);
}

/** The text of `bytes`. Refuses anything that is not well-formed UTF-8; a byte order mark stays in the text. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new EncodingError('the bytes are not valid UTF-8');
    throw error;
  }
}

/** Number of UTF-8 bytes of `text`; stops counting soon after `enough`. */
export function utf8Length(text: string, enough: number): number {
  if (text.length > enough) return text.length;
  if (text.length * 3 <= enough) return text.length;
  let size = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair counts for two of its four bytes.
    if (unit < 0x80) size += 1;
    else if (unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff)) size += 2;
    else size += 3;
  }
  return size;
}
