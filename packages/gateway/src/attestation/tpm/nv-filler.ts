import { FormatError } from '@cmcp/evidence';

const SEQUENCE = 0x30;

/** DER values one after the other, without what fills the rest of an index: zeros, or what erased memory holds. @throws FormatError */
export function withoutFiller(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let end = 0;
  while (bytes[end] === SEQUENCE) end += derLength(bytes.subarray(end));
  const filler = bytes.subarray(end);
  if (filler.some((byte) => byte !== filler[0]) || (filler.length > 0 && filler[0] !== 0 && filler[0] !== 0xff)) {
    throw new FormatError('something else than DER and filler is in it');
  }
  return bytes.subarray(0, end);
}

/** Bytes of the DER value that `bytes` start with: certificates have a length of two octets (X.690 section 8.1.3.5). */
function derLength(bytes: Uint8Array): number {
  const [, form, high = 0, low = 0] = bytes;
  const length = 4 + high * 256 + low;
  if (form !== 0x82 || length > bytes.length) throw new FormatError('a certificate in it does not end');
  return length;
}
