import { decodeBase64 } from '../bytes/base64.ts';
import { EncodingError } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';

/** One block of a PEM file: what it says it is, and its bytes. */
export interface PemBlock {
  label: string;
  der: Uint8Array<ArrayBuffer>;
}

/** More than any chain or set of roots has. */
const MAX_BLOCKS = 100;

const BEGIN = /-----BEGIN ([A-Z0-9 ]{1,64})-----/g;

/**
 * The blocks of a PEM file, in order (RFC 7468). What is outside of blocks is ignored, as section 2 says, in whatever encoding it
 * is; inside, only base64 and white space are accepted.
 *
 * @throws FormatError, also when there is no block, or more than 100
 */
export function readPem(bytes: Uint8Array): PemBlock[] {
  try {
    // One character for every byte, and no other byte becomes a character of ASCII.
    return blocks(new TextDecoder('windows-1252').decode(bytes));
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`PEM: ${error.message}`);
    throw error;
  }
}

function blocks(text: string): PemBlock[] {
  const found: PemBlock[] = [];
  let after = 0;
  for (const begin of text.matchAll(BEGIN)) {
    const [marker, label = ''] = begin;
    if (begin.index < after) throw new FormatError('PEM: a block begins inside another');
    const start = begin.index + marker.length;
    const end = text.indexOf('-----', start);
    const closing = `-----END ${label}-----`;
    if (end < 0 || !text.startsWith(closing, end))
      throw new FormatError(`PEM: the block ${label} does not end as it begins`);
    if (found.length === MAX_BLOCKS) throw new FormatError(`PEM: there are more than ${MAX_BLOCKS} blocks in it`);
    found.push({ label, der: decodeBase64(text.slice(start, end).replace(/[ \t\r\n]/g, '')) });
    after = end + closing.length;
  }
  if (found.length === 0) throw new FormatError('PEM: there is no block in it');
  return found;
}
