import { ByteReader, FormatError } from '@cmcp/evidence';
import { TpmError } from './error.ts';

/**
 * Reads a structure that a TPM gave, from front to back and to its end.
 *
 * @param what names the structure in errors
 * @throws TpmError `response` for anything that is not that structure
 */
export function readAnswer<T>(bytes: Uint8Array<ArrayBuffer>, what: string, read: (reader: ByteReader) => T): T {
  return understood(() => {
    const reader = new ByteReader(bytes, what);
    const value = read(reader);
    reader.end();
    return value;
  });
}

/** What a parser makes of a TPM's bytes. @throws TpmError `response` where the parser throws FormatError */
export function understood<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new TpmError('response', `What the TPM gave cannot be read: ${error.message}`, { cause: error });
  }
}

/** TPM2B: bytes after a 16-bit size. A copy, so that no answer is kept alive by a part of it. */
export function sized(reader: ByteReader, field: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(reader.take(reader.u16be(`size of ${field}`), field));
}

/** A list's count (TPML), at most `most`. @throws FormatError */
export function count(reader: ByteReader, field: string, most: number): number {
  const number = reader.u32be(`number of ${field}`);
  if (number > most) throw new FormatError(`${number} ${field}, where at most ${most} are expected`);
  return number;
}
