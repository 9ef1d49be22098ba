import { encodeBase64Url } from '../bytes/base64url.ts';
import { jwkThumbprint } from '../claim/key.ts';
import { isAcceptableKeyText, type SignatureResult, verifyEd25519 } from '../crypto/ed25519.ts';
import { FormatError } from '../format-error.ts';
import { jcsBytes } from '../json/document.ts';
import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';
import { parseTimestamp } from '../time.ts';

const TYPE = 'cmcp-policy-key-succession-v1';
const MEMBERS = ['type', 'current_key_id', 'successor', 'issued_at', 'reason', 'signature'];
const WHAT = 'the statement of succession';

/** Id of a policy signing key: the RFC 7638 thumbprint of its JWK, base64url. */
export function policyKeyId(x: string): string {
  return encodeBase64Url(jwkThumbprint(x));
}

/** By which a policy signing key names the one that may sign once it is revoked itself (D-16). */
export interface KeySuccession {
  currentKeyId: string;
  /** JWK member `x` of the successor. */
  successor: string;
  /** ISO 8601, by the clock of whoever signed: tells which of two statements is the later. */
  issuedAt: string;
  reason: string;
}

/** The statement as it is signed, without its signature. */
export function successionStatement({ currentKeyId, successor, issuedAt, reason }: KeySuccession): JsonObject {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: successor };
  return { type: TYPE, current_key_id: currentKeyId, successor: jwk, issued_at: issuedAt, reason };
}

/** What the key signs: the RFC 8785 form of the statement, whose `type` is used for nothing else. */
export function successionPreimage(statement: JsonObject): Uint8Array<ArrayBuffer> {
  return jcsBytes(statement, WHAT, 'signature');
}

/** Reads a statement, without checking who signed it. @throws FormatError for anything but exactly the members of one */
export function readSuccession(statement: JsonValue): KeySuccession {
  if (!isObject(statement)) throw new FormatError(`${WHAT} is not a JSON object`);
  const other = Object.keys(statement).find((key) => !MEMBERS.includes(key));
  if (other !== undefined) throw new FormatError(`${WHAT} has an unknown member ${JSON.stringify(other)}`);
  if (member(statement, 'type') !== TYPE) throw new FormatError(`${WHAT} must have the type ${TYPE}`);
  const issuedAt = textIn(statement, 'issued_at');
  if (parseTimestamp(issuedAt) === null)
    throw new FormatError(`"issued_at" of ${WHAT} must be a time such as 2026-06-04T00:00:00Z`);
  const successor = successorIn(member(statement, 'successor'));
  const currentKeyId = textIn(statement, 'current_key_id');
  if (policyKeyId(successor) === currentKeyId) throw new FormatError(`${WHAT} names the key itself as its successor`);
  return { currentKeyId, successor, issuedAt, reason: textIn(statement, 'reason') };
}

/** Whether the Ed25519 key `x` signed the statement. */
export async function verifySuccession(statement: JsonObject, x: string): Promise<SignatureResult> {
  const signature = member(statement, 'signature');
  if (typeof signature !== 'string') return 'invalid';
  return verifyEd25519(x, signature, successionPreimage(statement));
}

function textIn(statement: JsonObject, key: string): string {
  const value = member(statement, key);
  // They go into audit entries, which hold printable ASCII only.
  if (typeof value === 'string' && /^[\x20-\x7e]{1,500}$/.test(value)) return value;
  throw new FormatError(`"${key}" of ${WHAT} must be 1 to 500 printable ASCII characters`);
}

function successorIn(jwk: JsonValue | undefined): string {
  const { kty, crv, x, ...more } = jwk !== undefined && isObject(jwk) ? jwk : {};
  const whole = kty === 'OKP' && crv === 'Ed25519' && Object.keys(more).length === 0;
  if (whole && typeof x === 'string' && isAcceptableKeyText(x)) return x;
  throw new FormatError(`"successor" of ${WHAT} must be a JWK with kty OKP, crv Ed25519 and x, and nothing else`);
}
