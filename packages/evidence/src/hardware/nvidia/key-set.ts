import { decodeBase64 } from '../../bytes/base64.ts';
import { readBase64Url } from '../../bytes/base64url.ts';
import { EncodingError } from '../../bytes/utf8.ts';
import { type PublicKey, samePublicKey } from '../../crypto/key.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import { FormatError } from '../../format-error.ts';
import { JsonError } from '../../json/error.ts';
import { parseJson } from '../../json/parse.ts';
import { isObject, type JsonObject, type JsonValue, member } from '../../json/value.ts';

const LIMITS = { bytes: 1024 * 1024, depth: 8, items: 10_000 };
/** Bytes of a coordinate on P-384. */
const WIDTH = 48;

/**
 * The keys of the attestation service by key identifier: a JWKS (RFC 7517) whose keys are on P-384, each as coordinates, as a
 * certificate (`x5c`), or both of one key. The relying party brings it: nothing in it is verified against a root. Keys of another
 * kind are left out, since no token is accepted under them.
 *
 * @throws FormatError
 */
export function readKeySet(file: Uint8Array): ReadonlyMap<string, PublicKey> {
  const value = parseKeys(file);
  const keys = isObject(value) ? member(value, 'keys') : undefined;
  if (!Array.isArray(keys)) throw new FormatError('JWKS: it has no list of keys');
  const found = new Map<string, PublicKey>();
  for (const key of keys) {
    const id = isObject(key) ? member(key, 'kid') : undefined;
    if (!isObject(key) || typeof id !== 'string') throw new FormatError('JWKS: a key has no identifier');
    if (found.has(id)) throw new FormatError(`JWKS: two keys are named ${id}`);
    // RFC 7517 sections 4.2 and 4.3: a key that is for something else verifies nothing here.
    if (!mayVerify(key)) continue;
    if (member(key, 'kty') !== 'EC' || member(key, 'crv') !== 'P-384') continue;
    found.set(id, keyOf(key));
  }
  return found;
}

function mayVerify(key: JsonObject): boolean {
  const [use, operations] = [member(key, 'use'), member(key, 'key_ops')];
  if (use !== undefined && use !== 'sig') return false;
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
}

function parseKeys(file: Uint8Array): JsonValue {
  try {
    return parseJson(file, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`JWKS: ${error.message}`);
    throw error;
  }
}

function keyOf(key: JsonObject): PublicKey {
  const [named, certified] = [coordinates(key), certificate(key)];
  const one = named ?? certified;
  if (one === null) throw new FormatError('JWKS: a key has neither coordinates nor a certificate');
  if (named !== null && certified !== null && !samePublicKey(named, certified)) {
    throw new FormatError('JWKS: the certificate of a key is of another key');
  }
  return one;
}

function coordinates(key: JsonObject): PublicKey | null {
  const [x, y] = [member(key, 'x'), member(key, 'y')];
  if (x === undefined && y === undefined) return null;
  const [left, right] = [x, y].map((text) => (typeof text === 'string' ? readBase64Url(text) : null));
  if (left?.length !== WIDTH || right?.length !== WIDTH) throw new FormatError('JWKS: a key is no point of P-384');
  return { kind: 'ec', curve: 'P-384', x: left, y: right };
}

/** The key of the first certificate of `x5c` (RFC 7517 section 4.7). */
function certificate(key: JsonObject): PublicKey | null {
  const chain = member(key, 'x5c');
  if (chain === undefined) return null;
  const first = Array.isArray(chain) ? chain[0] : undefined;
  if (typeof first !== 'string') throw new FormatError('JWKS: x5c is not a list of certificates');
  const { key: found } = parseCertificate(base64(first));
  if (found.kind !== 'ec' || found.curve !== 'P-384')
    throw new FormatError('JWKS: a certificate is not of a P-384 key');
  return found;
}

function base64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeBase64(text);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`JWKS: x5c is ${error.message}`);
    throw error;
  }
}
