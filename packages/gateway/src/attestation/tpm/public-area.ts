import { type HashName, hash } from '@cmcp/evidence';
import { readAnswer } from './answer.ts';
import { ALG } from './constants.ts';
import { TpmError } from './error.ts';
import { TpmWriter } from './writer.ts';

const NAME_HASHES = new Map<number, HashName>([
  [ALG.sha256, 'sha256'],
  [ALG.sha384, 'sha384'],
  [ALG.sha512, 'sha512'],
]);

/**
 * The Name of an object: its hash algorithm, and the digest of its public area (TPM 2.0 Part 1, section 16).
 *
 * @param publicArea TPMT_PUBLIC, without its size
 * @throws TpmError `response` when it is none, or its name algorithm is not accepted
 */
export function nameOf(publicArea: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const algorithm = readAnswer(publicArea.subarray(0, 4), 'TPMT_PUBLIC', (reader) => {
    reader.u16be('type');
    return reader.u16be('name algorithm');
  });
  return nameWith(algorithm, publicArea);
}

/** The Name of a public area (of an object or an NV index) under the hash algorithm with the id `algorithm`. @throws TpmError */
export function nameWith(algorithm: number, area: Uint8Array): Uint8Array<ArrayBuffer> {
  const name = NAME_HASHES.get(algorithm);
  if (name === undefined) {
    throw new TpmError(
      'response',
      `The TPM names an object by the hash algorithm 0x${algorithm.toString(16)}, which is not accepted`,
    );
  }
  return new TpmWriter().u16(algorithm).bytes(hash(name, area)).done();
}
