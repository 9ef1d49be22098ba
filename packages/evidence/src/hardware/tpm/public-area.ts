import { ByteReader } from '../../bytes/reader.ts';
import { CURVE_BYTES, type Curve, type PublicKey, rsaKey } from '../../crypto/key.ts';
import type { HashName } from '../../crypto/sha2.ts';
import { FormatError } from '../../format-error.ts';
import { sized } from './parse.ts';
import { readHash, schemeById, type TpmSignature } from './signature.ts';

const WHAT = 'TPMT_PUBLIC';
const ALG_RSA = 0x0001;
const ALG_AES = 0x0006;
const ALG_NULL = 0x0010;
const ALG_ECC = 0x0023;
const ALG_CFB = 0x0043;
const CURVES = new Map<number, Curve>([
  [3, 'P-256'],
  [4, 'P-384'],
  [5, 'P-521'],
]);
/** The exponent that a TPM means by 0. */
const F4 = 65537;

/** Bit of each object attribute (TPM 2.0 part 2, TPMA_OBJECT). */
const ATTRIBUTE_BITS = {
  fixedTPM: 1,
  stClear: 2,
  fixedParent: 4,
  sensitiveDataOrigin: 5,
  userWithAuth: 6,
  adminWithPolicy: 7,
  noDA: 10,
  encryptedDuplication: 11,
  restricted: 16,
  decrypt: 17,
  sign: 18,
  x509sign: 19,
} as const;

export type TpmAttributes = Record<keyof typeof ATTRIBUTE_BITS, boolean>;

/** The public area of a signing key in a TPM. */
export interface TpmPublic {
  nameAlgorithm: HashName;
  attributes: TpmAttributes;
  authPolicy: Uint8Array<ArrayBuffer>;
  /** null: the key takes any scheme, which no restricted key does. */
  scheme: { name: TpmSignature['scheme']; hash: HashName } | null;
  key: PublicKey;
}

/** The public area of a storage key in a TPM, such as an endorsement key: one that protects what is sent to the TPM. */
export interface TpmStoragePublic {
  nameAlgorithm: HashName;
  attributes: TpmAttributes;
  authPolicy: Uint8Array<ArrayBuffer>;
  /** Of the AES-CFB keys that protect what is sent. */
  aesBits: 128 | 192 | 256;
  key: PublicKey;
}

/** Reads a TPMT_PUBLIC of a signing key, bare or with the size in front (TPM2B_PUBLIC). @throws FormatError */
export function parsePublic(bytes: Uint8Array<ArrayBuffer>): TpmPublic {
  const reader = new ByteReader(withoutSize(bytes), WHAT);
  const { type, ...head } = readHead(reader);
  if (reader.u16be('symmetric algorithm') !== ALG_NULL)
    throw new FormatError(`${WHAT}: a signing key encrypts nothing`);
  const scheme = readScheme(reader);
  const key = readKey(reader, type);
  reader.end();
  return { ...head, scheme, key };
}

/** Reads a TPMT_PUBLIC of a storage key, bare or with the size in front. @throws FormatError */
export function parseStoragePublic(bytes: Uint8Array<ArrayBuffer>): TpmStoragePublic {
  const reader = new ByteReader(withoutSize(bytes), WHAT);
  const { type, ...head } = readHead(reader);
  const aesBits = readAes(reader);
  if (reader.u16be('scheme') !== ALG_NULL) throw new FormatError(`${WHAT}: a storage key has no scheme`);
  const key = readKey(reader, type);
  reader.end();
  return { ...head, aesBits, key };
}

/** Why a key with these attributes can sign other things than what the TPM itself says, or null: it signs nothing else. */
export function attestationKeyProblem({ attributes }: Pick<TpmPublic, 'attributes'>): string | null {
  const { restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin, decrypt } = attributes;
  const needed = { restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin, 'not decrypt': !decrypt };
  const lacking = Object.entries(needed).flatMap(([name, holds]) => (holds ? [] : [name]));
  return lacking.length === 0 ? null : `the attestation key is not: ${lacking.join(', ')}`;
}

interface Head extends Pick<TpmPublic, 'nameAlgorithm' | 'attributes' | 'authPolicy'> {
  type: number;
}

function readHead(reader: ByteReader): Head {
  const type = reader.u16be('type');
  if (type !== ALG_RSA && type !== ALG_ECC)
    throw new FormatError(`${WHAT}: type 0x${type.toString(16)} is no such key`);
  const nameAlgorithm = readHash(reader, WHAT);
  const attributes = readAttributes(reader.u32be('attributes'));
  return { type, nameAlgorithm, attributes, authPolicy: sized(reader, 'policy') };
}

function readAes(reader: ByteReader): TpmStoragePublic['aesBits'] {
  const algorithm = reader.u16be('symmetric algorithm');
  if (algorithm !== ALG_AES) throw new FormatError(`${WHAT}: a storage key encrypts with AES`);
  const bits = reader.u16be('symmetric key size');
  if (bits !== 128 && bits !== 192 && bits !== 256) throw new FormatError(`${WHAT}: AES has no keys of ${bits} bits`);
  if (reader.u16be('symmetric mode') !== ALG_CFB) throw new FormatError(`${WHAT}: a storage key encrypts in mode CFB`);
  return bits;
}

function readKey(reader: ByteReader, type: number): PublicKey {
  return type === ALG_RSA ? readRsa(reader) : readEcc(reader);
}

/** A TPMT_PUBLIC starts with 0x0001 or 0x0023, which is the size of nothing that fits in so few bytes. */
function withoutSize(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const [high = 0, low = 0] = bytes;
  return high * 256 + low === bytes.length - 2 ? bytes.subarray(2) : bytes;
}

function readAttributes(bits: number): TpmAttributes {
  const known = Object.values(ATTRIBUTE_BITS).reduce((mask, bit) => mask | (1 << bit), 0);
  if ((bits & ~known) !== 0) throw new FormatError(`${WHAT}: a reserved attribute is set`);
  const has = (bit: number) => ((bits >>> bit) & 1) === 1;
  return {
    fixedTPM: has(ATTRIBUTE_BITS.fixedTPM),
    stClear: has(ATTRIBUTE_BITS.stClear),
    fixedParent: has(ATTRIBUTE_BITS.fixedParent),
    sensitiveDataOrigin: has(ATTRIBUTE_BITS.sensitiveDataOrigin),
    userWithAuth: has(ATTRIBUTE_BITS.userWithAuth),
    adminWithPolicy: has(ATTRIBUTE_BITS.adminWithPolicy),
    noDA: has(ATTRIBUTE_BITS.noDA),
    encryptedDuplication: has(ATTRIBUTE_BITS.encryptedDuplication),
    restricted: has(ATTRIBUTE_BITS.restricted),
    decrypt: has(ATTRIBUTE_BITS.decrypt),
    sign: has(ATTRIBUTE_BITS.sign),
    x509sign: has(ATTRIBUTE_BITS.x509sign),
  };
}

function readScheme(reader: ByteReader): TpmPublic['scheme'] {
  const id = reader.u16be('scheme');
  if (id === ALG_NULL) return null;
  const name = schemeById(id);
  if (name === null) throw new FormatError(`${WHAT}: scheme 0x${id.toString(16)} is not accepted`);
  return { name, hash: readHash(reader, WHAT) };
}

function readRsa(reader: ByteReader): PublicKey {
  const bits = reader.u16be('key size');
  const exponent = reader.u32be('exponent');
  if (exponent !== 0 && exponent !== F4) throw new FormatError(`${WHAT}: the exponent is not 65537`);
  const modulus = sized(reader, 'modulus');
  if (modulus.length * 8 !== bits) throw new FormatError(`${WHAT}: the modulus has not ${bits} bits`);
  return rsaKey(modulus, Uint8Array.of(1, 0, 1));
}

function readEcc(reader: ByteReader): PublicKey {
  const id = reader.u16be('curve');
  const curve = CURVES.get(id);
  if (curve === undefined) throw new FormatError(`${WHAT}: curve ${id} is not accepted`);
  if (reader.u16be('key derivation') !== ALG_NULL) throw new FormatError(`${WHAT}: such a key derives nothing`);
  const x = coordinate(sized(reader, 'x'), curve);
  return { kind: 'ec', curve, x, y: coordinate(sized(reader, 'y'), curve) };
}

/** A coordinate with the width of its field: TPMs may leave out leading zeros. */
function coordinate(bytes: Uint8Array<ArrayBuffer>, curve: Curve): Uint8Array<ArrayBuffer> {
  const width = CURVE_BYTES[curve];
  if (bytes.length > width) throw new FormatError(`${WHAT}: a coordinate is wider than ${curve}`);
  const padded = new Uint8Array(width);
  padded.set(bytes, width - bytes.length);
  return padded;
}
