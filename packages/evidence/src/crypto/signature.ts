import { encodeBase64Url } from '../bytes/base64url.ts';
import { FormatError } from '../format-error.ts';
import { bigIntOf, readDer, TAG } from './der.ts';
import { type SignatureResult, verifyEd25519 } from './ed25519.ts';
import { CURVE_BYTES, type Curve, type PublicKey, pointOf, spkiOf } from './key.ts';
import type { HashName } from './sha2.ts';

/** How a signature was made. SHA-1 verifies so that it can be named; who accepts evidence refuses it. */
export type Scheme =
  | { kind: 'ecdsa'; hash: HashName }
  | { kind: 'rsassa-pkcs1'; hash: HashName }
  | { kind: 'rsassa-pss'; hash: HashName; saltLength: number }
  | { kind: 'ed25519' };

/** What a certificate and a CRL have in common: bytes, and a signature over them in the encoding of X.509. */
export interface Signed {
  /** The bytes that are signed. */
  tbs: Uint8Array<ArrayBuffer>;
  signatureScheme: Scheme;
  signature: Uint8Array<ArrayBuffer>;
}

const WEB_CRYPTO_HASH = { sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' } as const;

/** Order of each curve's group (SP 800-186 section 3.2.1). */
const ORDER: Readonly<Record<Curve, bigint>> = {
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  'P-384': 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  'P-521':
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
};

/**
 * Whether `signature` is a signature over `message` under `key`. The scheme must fit the key. An ECDSA signature is r||s, each
 * with the width of the curve (P1363); both must be from 1 to the order less 1.
 */
export async function verifySignature(
  key: PublicKey,
  scheme: Scheme,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<SignatureResult> {
  switch (key.kind) {
    case 'ec':
      if (scheme.kind !== 'ecdsa' || !inRange(signature, key.curve)) return 'invalid';
      return verifyWith(
        (subtle) => subtle.importKey('raw', pointOf(key), { name: 'ECDSA', namedCurve: key.curve }, false, ['verify']),
        { name: 'ECDSA', hash: WEB_CRYPTO_HASH[scheme.hash] },
        signature,
        message,
      );
    case 'rsa':
      return verifyRsa(key, scheme, signature, message);
    case 'ed25519':
      if (scheme.kind !== 'ed25519') return 'invalid';
      return verifyEd25519(encodeBase64Url(key.raw), encodeBase64Url(signature), message);
  }
}

async function verifyRsa(
  key: PublicKey & { kind: 'rsa' },
  scheme: Scheme,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<SignatureResult> {
  if (scheme.kind !== 'rsassa-pkcs1' && scheme.kind !== 'rsassa-pss') return 'invalid';
  if (signature.length !== key.n.length) return 'invalid';
  const name = scheme.kind === 'rsassa-pss' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5';
  const hash = WEB_CRYPTO_HASH[scheme.hash];
  return verifyWith(
    (subtle) => subtle.importKey('spki', spkiOf(key), { name, hash }, false, ['verify']),
    scheme.kind === 'rsassa-pss' ? { name, saltLength: scheme.saltLength } : { name },
    signature,
    message,
  );
}

async function verifyWith(
  importKey: (subtle: typeof crypto.subtle) => Promise<Parameters<typeof crypto.subtle.verify>[1]>,
  algorithm: Parameters<typeof crypto.subtle.verify>[0],
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<SignatureResult> {
  // A browser page that is not a secure context has no WebCrypto at all.
  const subtle: typeof crypto.subtle | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) return 'unsupported';
  try {
    return (await subtle.verify(algorithm, await importKey(subtle), signature, message)) ? 'valid' : 'invalid';
  } catch (error) {
    // A point that is not on its curve cannot be imported (DataError).
    if (!(error instanceof DOMException)) throw error;
    return error.name === 'NotSupportedError' ? 'unsupported' : 'invalid';
  }
}

function inRange(signature: Uint8Array, curve: Curve): boolean {
  const width = CURVE_BYTES[curve];
  if (signature.length !== 2 * width) return false;
  const halves = [signature.subarray(0, width), signature.subarray(width)].map(bigIntOf);
  return halves.every((value) => value > 0n && value < ORDER[curve]);
}

/** The P1363 form of an ECDSA signature in DER (RFC 3279 section 2.2.3), or null when it is not strictly that. */
export function ecdsaFromDer(der: Uint8Array<ArrayBuffer>, curve: Curve): Uint8Array<ArrayBuffer> | null {
  try {
    const [r, s, ...rest] = readDer(der, 'signature').children(TAG.sequence);
    if (r === undefined || s === undefined || rest.length > 0) return null;
    return p1363(r.unsigned(), s.unsigned(), curve);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** r||s of two big-endian numbers, or null when one is wider than the curve. */
export function p1363(r: Uint8Array, s: Uint8Array, curve: Curve): Uint8Array<ArrayBuffer> | null {
  const width = CURVE_BYTES[curve];
  if (r.length > width || s.length > width) return null;
  const signature = new Uint8Array(2 * width);
  signature.set(r, width - r.length);
  signature.set(s, 2 * width - s.length);
  return signature;
}

/** Whether `key` signed a certificate or a CRL. */
export async function verifySigned(
  key: PublicKey,
  { tbs, signatureScheme, signature }: Signed,
): Promise<SignatureResult> {
  const raw = key.kind === 'ec' ? ecdsaFromDer(signature, key.curve) : signature;
  return raw === null ? 'invalid' : verifySignature(key, signatureScheme, raw, tbs);
}
