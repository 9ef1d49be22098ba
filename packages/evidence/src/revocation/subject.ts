import { readBase64Url } from '../bytes/base64url.ts';
import { isAcceptableKeyText } from '../crypto/ed25519.ts';
import { type JsonObject, member } from '../json/value.ts';
import type { RevocationSubject } from './verify.ts';

/** An Ed25519 JWK as what revocations may name; null when it is no such key. */
export function subjectOfJwk(jwk: JsonObject): RevocationSubject | null {
  const x = member(jwk, 'x');
  const raw = typeof x === 'string' && isAcceptableKeyText(x) ? readBase64Url(x) : null;
  if (raw === null) return null;
  const kid = member(jwk, 'kid');
  return { key: { kind: 'ed25519', raw }, ...(typeof kid === 'string' ? { kid } : {}) };
}
