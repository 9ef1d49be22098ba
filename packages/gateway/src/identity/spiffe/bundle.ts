import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import {
  type Certificate,
  decodeBase64,
  digest,
  EncodingError,
  FormatError,
  isObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  member,
  parseCertificate,
  parseJson,
  readCertificates,
  TAG,
} from '@cmcp/evidence';

/** What credentials of one trust domain are verified with (SPIFFE Trust Domain and Bundle). Nothing is changed in it: another one takes its place. */
export interface TrustBundle {
  /** Of X509-SVIDs. */
  readonly authorities: readonly Certificate[];
  /** Of JWT-SVIDs, by key id; null: they are not known yet. */
  readonly jwtKeys: ReadonlyMap<string, KeyObject> | null;
}

const LIMITS = { bytes: 1_048_576, depth: 16, items: 10_000 };
const MAX_KEYS = 100;
const MAX_KEY_ID = 256;
/** Public members by type of key; whatever else is in a JWK is left out, private members first of all. */
const PUBLIC: Readonly<Record<string, readonly string[]>> = { RSA: ['n', 'e'], EC: ['crv', 'x', 'y'] };
const MIN_RSA_BITS = 2048;
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** A bundle file: a SPIFFE bundle in JSON, or PEM certificates, which verify X509-SVIDs alone. @throws FormatError */
export function readBundle(bytes: Uint8Array<ArrayBuffer>): TrustBundle {
  const first = bytes.find((byte) => byte > 0x20);
  if (first === 0x7b) return readJson(bytes);
  return { authorities: authoritiesOf(readCertificates(bytes)), jwtKeys: new Map() };
}

/** Authorities as the Workload API gives them: DER, one after the other. @throws FormatError, also when there is none */
export function readDerBundle(bytes: Uint8Array<ArrayBuffer>): readonly Certificate[] {
  if (bytes[0] !== TAG.sequence) throw new FormatError('bundle: it is not DER');
  return authoritiesOf(readCertificates(bytes));
}

/**
 * A SPIFFE bundle in JSON (SPIFFE Trust Domain and Bundle section 4). Keys without a use, or for one that is not known, are ignored, and
 * so is an authority without its certificate (X509-SVID section 6.2).
 *
 * @throws FormatError
 */
function readJson(bytes: Uint8Array<ArrayBuffer>): TrustBundle {
  const authorities: Certificate[] = [];
  const jwtKeys = new Map<string, KeyObject>();
  for (const [where, key] of keysOf(bytes)) {
    const use = member(key, 'use');
    if (use === 'x509-svid') authorities.push(...certificateOf(key, where));
    if (use === 'jwt-svid') addJwtKey(jwtKeys, key, where);
  }
  return { authorities: authoritiesOf(authorities), jwtKeys };
}

/** Keys of JWT-SVIDs as the Workload API gives them: a JWK set, whose keys need not say what they are for. @throws FormatError */
export function readJwtKeys(bytes: Uint8Array<ArrayBuffer>): ReadonlyMap<string, KeyObject> {
  const jwtKeys = new Map<string, KeyObject>();
  for (const [where, key] of keysOf(bytes)) {
    const use = member(key, 'use');
    if (use === undefined || use === 'jwt-svid') addJwtKey(jwtKeys, key, where);
  }
  return jwtKeys;
}

function keysOf(bytes: Uint8Array): [where: string, key: JsonObject][] {
  const document = parsed(bytes);
  const keys = isObject(document) ? member(document, 'keys') : undefined;
  if (!Array.isArray(keys)) throw new FormatError('bundle: it has no list `keys`');
  if (keys.length > MAX_KEYS) throw new FormatError(`bundle: it has more than ${MAX_KEYS} keys`);
  return keys.map((key, index) => {
    const where = `bundle: keys[${index}]`;
    if (!isObject(key)) throw new FormatError(`${where} is not an object`);
    return [where, key];
  });
}

/** What a bundle holds, `sha256:…`, in whatever order: files that differ in what is not used have the same. */
export function bundleDigest({ authorities, jwtKeys }: TrustBundle): string {
  const held = JSON.stringify([
    authorities.map(({ fingerprint }) => fingerprint).sort(),
    jwtKeys &&
      [...jwtKeys].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, key]) => [id, key.export({ format: 'jwk' })]),
  ]);
  return digest(held);
}

function parsed(bytes: Uint8Array): JsonValue {
  try {
    return parseJson(bytes, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`bundle: ${error.message}`);
    throw error;
  }
}

/** A certificate that may not issue stands for nobody else, and would vouch for itself. */
function authoritiesOf(certificates: Certificate[]): Certificate[] {
  const other = certificates.find(({ ca, keyUsage }) => !ca || (keyUsage !== null && !keyUsage.has('keyCertSign')));
  if (other !== undefined)
    throw new FormatError(`bundle: a certificate is not that of an authority: ${other.subject.text || other.serial}`);
  return certificates;
}

function certificateOf(key: JsonObject, where: string): Certificate[] {
  const chain = member(key, 'x5c');
  const [first] = Array.isArray(chain) ? chain : [];
  if (first === undefined) return [];
  if (typeof first !== 'string') throw new FormatError(`${where}: \`x5c\` holds something else than certificates`);
  try {
    return [parseCertificate(decodeBase64(first))];
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${where}: ${error.message}`);
    throw error;
  }
}

/** A key without an id is never named by a token, and one of a type that JWT-SVIDs do not use verifies none. */
function addJwtKey(keys: Map<string, KeyObject>, key: JsonObject, where: string): void {
  const kid = member(key, 'kid');
  const kty = member(key, 'kty');
  const members = typeof kty === 'string' && Object.hasOwn(PUBLIC, kty) ? PUBLIC[kty] : undefined;
  if (typeof kid !== 'string' || kid === '' || typeof kty !== 'string' || members === undefined) return;
  if (kid.length > MAX_KEY_ID) throw new FormatError(`${where}: the key id is too long`);
  if (keys.has(kid)) throw new FormatError(`${where}: two keys have the id ${JSON.stringify(kid)}`);
  const given = members.map((name) => [name, textOf(key, name, where)] as const);
  keys.set(kid, publicKeyOf({ kty, ...Object.fromEntries(given) }, where));
}

function publicKeyOf(jwk: JsonWebKey, where: string): KeyObject {
  const key = imported(jwk, where);
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' ? modulusLength >= MIN_RSA_BITS : CURVES.has(namedCurve)) return key;
  throw new FormatError(`${where}: it is no key of RSA with ${MIN_RSA_BITS} bits or more, P-256, P-384 or P-521`);
}

/** Node says what it does not like about a key in errors of several classes. */
function imported(jwk: JsonWebKey, where: string): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new FormatError(`${where}: ${error.message}`);
    throw error;
  }
}

function textOf(key: JsonObject, name: string, where: string): string {
  const value = member(key, name);
  if (typeof value !== 'string') throw new FormatError(`${where}: \`${name}\` is not a text`);
  return value;
}
