import { ByteReader } from '../../bytes/reader.ts';
import type { HashName } from '../../crypto/sha2.ts';
import { FormatError } from '../../format-error.ts';
import { bankById } from '../event-log/algorithm.ts';
import { sized } from './parse.ts';

/** A TPMT_SIGNATURE. Integers of ECDSA are big-endian and may lack leading zeros. */
export type TpmSignature =
  | { scheme: 'rsassa' | 'rsapss'; hash: HashName; value: Uint8Array<ArrayBuffer> }
  | { scheme: 'ecdsa'; hash: HashName; r: Uint8Array<ArrayBuffer>; s: Uint8Array<ArrayBuffer> };

const RSASSA = 0x0014;
const RSAPSS = 0x0016;
const ECDSA = 0x0018;

/** Reads a TPMT_SIGNATURE. @throws FormatError, also for bytes after it and for schemes that are no such signature */
export function parseSignature(bytes: Uint8Array<ArrayBuffer>): TpmSignature {
  const reader = new ByteReader(bytes, 'TPMT_SIGNATURE');
  const scheme = reader.u16be('scheme');
  const hash = readHash(reader, 'TPMT_SIGNATURE');
  const signature = readValue(reader, scheme, hash);
  reader.end();
  return signature;
}

/** A TPM_ALG_ID of a hash that signatures may use. @throws FormatError */
export function readHash(reader: ByteReader, what: string): HashName {
  const id = reader.u16be('hash algorithm');
  const name = bankById(id)?.name;
  if (name === undefined || name === 'sm3-256') {
    throw new FormatError(`${what}: hash algorithm 0x${id.toString(16)} is not accepted`);
  }
  return name;
}

/** Name of a signing scheme by its TPM_ALG_ID, or null when it is none that is accepted. */
export function schemeById(id: number): TpmSignature['scheme'] | null {
  if (id === RSASSA) return 'rsassa';
  if (id === RSAPSS) return 'rsapss';
  return id === ECDSA ? 'ecdsa' : null;
}

function readValue(reader: ByteReader, id: number, hash: HashName): TpmSignature {
  const scheme = schemeById(id);
  if (scheme === null) throw new FormatError(`TPMT_SIGNATURE: scheme 0x${id.toString(16)} is not accepted`);
  if (scheme !== 'ecdsa') return { scheme, hash, value: sized(reader, 'signature') };
  return { scheme, hash, r: sized(reader, 'r'), s: sized(reader, 's') };
}
