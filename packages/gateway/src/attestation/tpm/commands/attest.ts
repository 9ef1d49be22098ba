import { type ByteReader, FormatError } from '@cmcp/evidence';
import { readAnswer, sized } from '../answer.ts';
import type { SignedAttest } from '../api.ts';
import { ALG } from '../constants.ts';

/** What only a TPM can begin a signed structure with (TPM_GENERATED_VALUE). */
const GENERATED = 0xff544347;

/** The answer of a command that certifies: TPM2B_ATTEST and TPMT_SIGNATURE. @throws FormatError */
export function readSignedAttest(reader: ByteReader, type: number): SignedAttest {
  const attest = sized(reader, 'attested data');
  const given = readAnswer(attest.slice(0, 6), 'TPMS_ATTEST', (head) => ({
    magic: head.u32be('magic'),
    type: head.u16be('type'),
  }));
  if (given.magic !== GENERATED || given.type !== type)
    throw new FormatError('it attests something else than was asked for');
  const start = reader.at;
  skipSignature(reader);
  return { attest, signature: reader.bytes.slice(start, reader.at) };
}

/** Reads over a TPMT_SIGNATURE. Whether it is a signature by the key is for the verifier to find out. */
function skipSignature(reader: ByteReader): void {
  const scheme = reader.u16be('signature scheme');
  reader.u16be('hash algorithm');
  if (scheme === ALG.rsassa || scheme === ALG.rsapss) {
    sized(reader, 'signature');
  } else if (scheme === ALG.ecdsa) {
    sized(reader, 'r');
    sized(reader, 's');
  } else {
    throw new FormatError(`signature scheme 0x${scheme.toString(16)} is not known`);
  }
}
