import { isAcceptableKeyText } from './crypto/ed25519.ts';
import type { CallReceipt } from './expectations.ts';
import { JsonError } from './json/error.ts';
import { parseJson } from './json/parse.ts';
import { isObject, type JsonValue, member } from './json/value.ts';

/** The Ed25519 public key (`x`, base64url) in what a relying party gives as a key: a JWK, or `x` alone on one line; null for other text. */
export function readKeyText(text: string): string | null {
  const trimmed = text.trim();
  const x = trimmed.startsWith('{') ? keyOfJwk(trimmed) : trimmed;
  return x !== null && isAcceptableKeyText(x) ? x : null;
}

function keyOfJwk(text: string): string | null {
  try {
    const jwk = parseJson(text);
    if (!isObject(jwk) || member(jwk, 'kty') !== 'OKP' || member(jwk, 'crv') !== 'Ed25519') return null;
    const x = member(jwk, 'x');
    return typeof x === 'string' ? x : null;
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}

/** The receipt in what a caller kept: the whole `_meta` of an answer, or its `io.cmcp/call` alone; null for anything else. */
export function readReceipt(value: JsonValue): CallReceipt | null {
  if (!isObject(value)) return null;
  const inner = member(value, 'io.cmcp/call');
  const receipt = isObject(inner) ? inner : value;
  const call_id = member(receipt, 'call_id');
  const session_id = member(receipt, 'session_id');
  const sequence = member(receipt, 'sequence');
  const entry_hash = member(receipt, 'entry_hash');
  if (typeof call_id !== 'string' || typeof session_id !== 'string') return null;
  return {
    call_id,
    session_id,
    ...(typeof sequence === 'number' && { sequence }),
    ...(typeof entry_hash === 'string' && { entry_hash }),
  };
}
