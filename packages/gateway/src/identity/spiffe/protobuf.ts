import { ByteReader, FormatError } from '@cmcp/evidence';

/** One field of a message of protocol buffers: its number, and its bytes where it is of a length. Other fields have none. */
export interface WireField {
  number: number;
  bytes: Uint8Array<ArrayBuffer> | null;
}

const MAX_FIELDS = 10_000;
const MAX_NUMBER = 2 ** 29 - 1;
/** Octets of a varint of 64 bits. */
const MAX_VARINT = 10;

/**
 * The fields of a message in the order in which they were sent. No message here has numbers, so those of other wire types are passed
 * over, as fields that are not known have to be; groups are refused.
 *
 * @throws FormatError
 */
export function readFields(bytes: Uint8Array<ArrayBuffer>, what: string): WireField[] {
  const reader = new ByteReader(bytes, what);
  const fields: WireField[] = [];
  while (reader.left > 0) {
    if (fields.length === MAX_FIELDS) throw new FormatError(`${what}: it has more than ${MAX_FIELDS} fields`);
    const tag = varint(reader, what);
    const number = Math.floor(tag / 8);
    if (number === 0 || number > MAX_NUMBER) throw new FormatError(`${what}: no field has the number ${number}`);
    fields.push({ number, bytes: contentOf(reader, tag % 8, what) });
  }
  return fields;
}

function contentOf(reader: ByteReader, wireType: number, what: string): Uint8Array<ArrayBuffer> | null {
  switch (wireType) {
    case 0:
      varint(reader, what);
      return null;
    case 1:
      reader.take(8, 'a number');
      return null;
    case 2:
      return reader.take(varint(reader, what), 'a field');
    case 5:
      reader.take(4, 'a number');
      return null;
    default:
      throw new FormatError(`${what}: wire type ${wireType} is not used`);
  }
}

/** Exact up to 2^53; whatever is larger is only passed over, or is a length that nothing has. */
function varint(reader: ByteReader, what: string): number {
  let value = 0;
  for (let index = 0; index < MAX_VARINT; index += 1) {
    const octet = reader.u8('a number');
    value += (octet & 0x7f) * 2 ** (7 * index);
    if (octet < 0x80) return value;
  }
  throw new FormatError(`${what}: a number does not end`);
}
