import { decodeBase64Url } from '../bytes/base64url.ts';
import { EncodingError, encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import { isObject, type JsonObject, member } from '../json/value.ts';
import type { SignatureResult } from './ed25519.ts';
import type { Curve, PublicKey } from './key.ts';
import type { HashName } from './sha2.ts';
import { verifySignature } from './signature.ts';

/** A compact JWS as it was read: nothing in it is proven before {@link verifyJws}. */
export interface Jws {
  header: JsonObject;
  /** The header's name of a key; which key that is, the verifier knows. */
  kid: string | null;
  payload: Uint8Array<ArrayBuffer>;
  /** The bytes that are signed. */
  signed: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
}

/** The algorithms that a caller may expect (RFC 7518 section 3.4), and the curve that each is for. */
const ALGORITHMS = {
  ES256: { curve: 'P-256', hash: 'sha256' },
  ES384: { curve: 'P-384', hash: 'sha384' },
} as const satisfies Record<string, { curve: Curve; hash: HashName }>;
export type JwsAlgorithm = keyof typeof ALGORITHMS;

/** Header members by which a message would bring its own key or change what is signed (RFC 7515 section 4.1, RFC 7797). */
const REFUSED_MEMBERS = ['jwk', 'jku', 'x5u', 'b64', 'crit'] as const;
const HEADER_LIMITS = { bytes: 65_536, depth: 8, items: 1000 };

/**
 * Reads a JWS in compact form (RFC 7515 section 7.1): three parts in strict base64url, the header a JSON object.
 *
 * @throws FormatError
 */
export function parseJws(text: string): Jws {
  const parts = text.split('.', 4);
  const [header, payload, signature] = parts;
  if (header === undefined || payload === undefined || signature === undefined || parts.length > 3) {
    throw new FormatError('JWS: it has not three parts');
  }
  try {
    const members = parseHeader(decodeBase64Url(header));
    const kid = member(members, 'kid');
    if (kid !== undefined && typeof kid !== 'string') throw new FormatError('JWS: the name of its key is not a text');
    return {
      header: members,
      kid: kid ?? null,
      payload: decodeBase64Url(payload),
      signed: new Uint8Array(encodeUtf8(`${header}.${payload}`)),
      signature: decodeBase64Url(signature),
    };
  } catch (error) {
    if (error instanceof EncodingError || error instanceof JsonError) throw new FormatError(`JWS: ${error.message}`);
    throw error;
  }
}

function parseHeader(bytes: Uint8Array): JsonObject {
  const header = parseJson(bytes, HEADER_LIMITS);
  if (!isObject(header)) throw new FormatError('JWS: its header is not an object');
  const refused = REFUSED_MEMBERS.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) throw new FormatError(`JWS: its header has the member ${refused}, which is not accepted`);
  return header;
}

/** Whether `key` signed the JWS by `algorithm`: the caller's choice, which the header and the key must both fit. */
export async function verifyJws(jws: Jws, key: PublicKey, algorithm: JwsAlgorithm): Promise<SignatureResult> {
  const { curve, hash } = ALGORITHMS[algorithm];
  if (member(jws.header, 'alg') !== algorithm || key.kind !== 'ec' || key.curve !== curve) return 'invalid';
  return verifySignature(key, { kind: 'ecdsa', hash }, jws.signature, jws.signed);
}
