import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { type ByteReader, encodeBase64Url, FormatError } from '@cmcp/evidence';
import { readAnswer, sized } from './answer.ts';
import { ALG, CURVE, TPMA_OBJECT } from './constants.ts';
import type { KdfHash } from './kdf.ts';
import { TpmWriter } from './writer.ts';

const WHAT = 'TPMT_PUBLIC';

const HASHES = new Map<number, KdfHash>([
  [ALG.sha256, 'sha256'],
  [ALG.sha384, 'sha384'],
  [ALG.sha512, 'sha512'],
]);

const CURVES = new Map<number, { name: EccCurve; bytes: number }>([
  [CURVE.p256, { name: 'P-256', bytes: 32 }],
  [CURVE.p384, { name: 'P-384', bytes: 48 }],
  [CURVE.p521, { name: 'P-521', bytes: 66 }],
]);

/** An exponent of 0 in a public area (TPM 2.0 Part 2, section 12.2.3.5). */
const DEFAULT_EXPONENT = 65_537;
/** TPM_ALG_ID of schemes that name no hash: none, and RSAES. */
const RSAES = 0x0015;

export type EccCurve = 'P-256' | 'P-384' | 'P-521';

/** A key in a TPM that others may send secrets to, such as an endorsement key or a storage key. */
export interface StorageKey {
  key: KeyObject;
  /** null: an RSA key. */
  curve: EccCurve | null;
  /** Of its name: everything that is derived for the key uses it. */
  hash: KdfHash;
  /** Of its symmetric cipher, AES in CFB mode. */
  symmetricBits: 128 | 192 | 256;
}

/** Of an object: TPMT_PUBLIC, as far as keys have it. */
interface PublicArea {
  hash: KdfHash;
  attributes: number;
  /** null: the key has no symmetric cipher. */
  symmetricBits: StorageKey['symmetricBits'] | null;
  curve: EccCurve | null;
  key: KeyObject;
}

/** The TPMT_PUBLIC in `bytes`, which are one or have its size in front (TPM2B_PUBLIC). */
export function publicAreaOf(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const [high = 0, low = 0] = bytes;
  return high * 256 + low === bytes.length - 2 ? bytes.subarray(2) : bytes;
}

/** The Name of an object: its hash algorithm and the digest of its public area (TPM 2.0 Part 1, section 16). @throws TpmError */
export function nameOf(publicArea: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const id = readAnswer(publicArea.subarray(0, 4), WHAT, (reader) => {
    reader.u16be('type');
    return reader.u16be('name algorithm');
  });
  return nameWith(id, publicArea);
}

/** The Name that `area` has under the algorithm `id`. @throws TpmError when names of that algorithm are not accepted */
export function nameWith(id: number, area: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const hash = readAnswer(new TpmWriter().u16(id).done(), 'Name', readHash);
  return new TpmWriter().u16(id).bytes(createHash(hash).update(area).digest()).done();
}

/** The key of an RSA or ECC object, whatever it is for. @throws TpmError */
export function publicKeyOf(publicArea: Uint8Array<ArrayBuffer>): KeyObject {
  return readAnswer(publicArea, WHAT, readPublicArea).key;
}

/** A restricted decryption key (TPM 2.0 Part 1, section 25.2: a parent). @throws TpmError for anything else */
export function storageKeyOf(publicArea: Uint8Array<ArrayBuffer>): StorageKey {
  return readAnswer(publicArea, WHAT, (reader) => {
    const { attributes, symmetricBits, key, curve, hash } = readPublicArea(reader);
    const kept = TPMA_OBJECT.restricted | TPMA_OBJECT.decrypt;
    if ((attributes & kept) !== kept || symmetricBits === null) {
      throw new FormatError(`${WHAT}: it is no restricted decryption key, so no secret may be sent to it`);
    }
    return { key, curve, hash, symmetricBits };
  });
}

function readPublicArea(reader: ByteReader): PublicArea {
  const type = reader.u16be('type');
  if (type !== ALG.rsa && type !== ALG.ecc) throw new FormatError(`${WHAT}: type ${hex(type)} is neither RSA nor ECC`);
  const hash = readHash(reader);
  const attributes = reader.u32be('attributes');
  sized(reader, 'policy');
  const symmetricBits = readSymmetric(reader);
  const scheme = reader.u16be('scheme');
  if (scheme !== ALG.null && scheme !== RSAES) readHash(reader);
  return { hash, attributes, symmetricBits, ...(type === ALG.rsa ? readRsa(reader) : readEcc(reader)) };
}

function readHash(reader: ByteReader): KdfHash {
  const id = reader.u16be('hash algorithm');
  const hash = HASHES.get(id);
  if (hash === undefined) throw new FormatError(`${WHAT}: hash algorithm ${hex(id)} is not accepted`);
  return hash;
}

function readSymmetric(reader: ByteReader): StorageKey['symmetricBits'] | null {
  const id = reader.u16be('symmetric algorithm');
  if (id === ALG.null) return null;
  const bits = reader.u16be('symmetric key size');
  const mode = reader.u16be('mode');
  if (id !== ALG.aes || mode !== ALG.cfb || (bits !== 128 && bits !== 192 && bits !== 256)) {
    throw new FormatError(`${WHAT}: the symmetric cipher is not AES in CFB mode`);
  }
  return bits;
}

function readRsa(reader: ByteReader): Pick<PublicArea, 'key' | 'curve'> {
  const bits = reader.u16be('key size');
  const given = reader.u32be('exponent');
  const modulus = sized(reader, 'modulus');
  const exponent = given === 0 ? DEFAULT_EXPONENT : given;
  if (exponent !== DEFAULT_EXPONENT) throw new FormatError(`${WHAT}: the exponent is not ${DEFAULT_EXPONENT}`);
  if (bits < 2048 || modulus.length * 8 !== bits || (modulus[0] ?? 0) < 0x80 || ((modulus.at(-1) ?? 0) & 1) === 0) {
    throw new FormatError(`${WHAT}: the modulus is not one of ${bits} bits, or too short`);
  }
  return { key: keyOf({ kty: 'RSA', n: encodeBase64Url(modulus), e: 'AQAB' }), curve: null };
}

function readEcc(reader: ByteReader): Pick<PublicArea, 'key' | 'curve'> {
  const id = reader.u16be('curve');
  const curve = CURVES.get(id);
  if (curve === undefined) throw new FormatError(`${WHAT}: curve ${hex(id)} is not accepted`);
  if (reader.u16be('key derivation') !== ALG.null) throw new FormatError(`${WHAT}: a key derivation that is not known`);
  const x = encodeBase64Url(widened(sized(reader, 'x'), curve.bytes));
  const y = encodeBase64Url(widened(sized(reader, 'y'), curve.bytes));
  return { key: keyOf({ kty: 'EC', crv: curve.name, x, y }), curve: curve.name };
}

/** A coordinate as wide as its field: TPMs may leave out leading zeros. */
function widened(bytes: Uint8Array, width: number): Uint8Array {
  if (bytes.length > width) throw new FormatError(`${WHAT}: a coordinate is wider than its field`);
  const wide = new Uint8Array(width);
  wide.set(bytes, width - bytes.length);
  return wide;
}

/** node:crypto finds out whether a point is on its curve. */
function keyOf(jwk: Record<string, string>): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (error) {
    throw new FormatError(`${WHAT}: it holds no usable key`, { cause: error });
  }
}

function hex(id: number): string {
  return `0x${id.toString(16)}`;
}
