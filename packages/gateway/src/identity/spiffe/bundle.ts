import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import {
  type Certificate,
  decodeBase64,
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
} from '@cmcp/evidence';

/** What credentials of one trust domain are verified with (SPIFFE Trust Domain and Bundle). Nothing is changed in it: another one takes its place. */
export interface TrustBundle {
  /** Of X509-SVIDs. */
  readonly authorities: readonly Certificate[];
  /** Of JWT-SVIDs, by key id. */
  readonly jwtKeys: ReadonlyMap<string, KeyObject>;
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
  if (first === 0x7b) return readJwks(bytes);
  return { authorities: authoritiesOf(readCertificates(bytes)), jwtKeys: new Map() };
}

/** Authorities as the Workload API gives them: DER, one after the other. @throws FormatError */
export function readDerBundle(bytes: Uint8Array<ArrayBuffer>): readonly Certificate[] {
  if (bytes[0] !== 0x30) throw new FormatError('bundle: it is not DER');
  return authoritiesOf(readCertificates(bytes));
}

/** A SPIFFE bundle in JSON (SPIFFE Trust Domain and Bundle section 4). @throws FormatError */
export function readJwks(bytes: Uint8Array<ArrayBuffer>): TrustBundle {
  const document = parsed(bytes);
  const keys = isObject(document) ? member(document, 'keys') : undefined;
  if (!Array.isArray(keys)) throw new FormatError('bundle: it has no list `keys`');
  if (keys.length > MAX_KEYS) throw new FormatError(`bundle: it has more than ${MAX_KEYS} keys`);
  const authorities: Certificate[] = [];
  const jwtKeys = new Map<string, KeyObject>();
  for (const [index, key] of keys.entries()) {
    const where = `bundle: keys[${index}]`;
    if (!isObject(key)) throw new FormatError(`${where} is not an object`);
    // Keys for uses that are not known are ignored (section 4.2.2).
    const use = member(key, 'use');
    if (use === 'x509-svid') authorities.push(certificateOf(key, where));
    if (use === 'jwt-svid') addJwtKey(jwtKeys, key, where);
  }
  return { authorities: authoritiesOf(authorities), jwtKeys };
}

/** Whether two bundles hold the same. */
export function sameBundle(a: TrustBundle, b: TrustBundle): boolean {
  return contentOf(a) === contentOf(b);
}

function contentOf({ authorities, jwtKeys }: TrustBundle): string {
  return JSON.stringify([
    authorities.map(({ fingerprint }) => fingerprint),
    [...jwtKeys].map(([id, key]) => [id, key.export({ format: 'jwk' })]),
  ]);
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

function certificateOf(key: JsonObject, where: string): Certificate {
  const chain = member(key, 'x5c');
  const [only] = Array.isArray(chain) ? chain : [];
  if (!Array.isArray(chain) || chain.length !== 1 || typeof only !== 'string')
    throw new FormatError(`${where}: an authority has one certificate in \`x5c\``);
  try {
    return parseCertificate(decodeBase64(only));
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${where}: ${error.message}`);
    throw error;
  }
}

function addJwtKey(keys: Map<string, KeyObject>, key: JsonObject, where: string): void {
  const kid = textOf(key, 'kid', where);
  const kty = textOf(key, 'kty', where);
  const members = Object.hasOwn(PUBLIC, kty) ? PUBLIC[kty] : undefined;
  if (members === undefined) throw new FormatError(`${where}: keys of type ${JSON.stringify(kty)} are not accepted`);
  if (kid === '' || kid.length > MAX_KEY_ID) throw new FormatError(`${where}: the key id is empty or too long`);
  if (keys.has(kid)) throw new FormatError(`${where}: two keys have the id ${JSON.stringify(kid)}`);
  keys.set(
    kid,
    publicKeyOf({ kty, ...Object.fromEntries(members.map((name) => [name, textOf(key, name, where)])) }, where),
  );
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
