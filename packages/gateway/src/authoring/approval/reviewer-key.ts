import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { encodeBase64Url, isObject, JsonError, type JsonValue, jwkThumbprint, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';

/** A key that approves: an Ed25519 JWK with its private member. */
export interface ReviewerKey {
  /** Public key, base64url: what a configuration names. */
  x: string;
  sign(bytes: Uint8Array): string;
}

/** A new key, as the text of its file. */
export function newReviewerKey(): { text: string; x: string; keyId: string } {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' });
  const text = `${JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x, d }, null, 2)}\n`;
  return { text, x, keyId: encodeBase64Url(jwkThumbprint(x)) };
}

/** Reads the file of such a key. @throws GatewayError CONFIG_INVALID, which never repeats what the file holds */
export function readReviewerKey(text: string, file: string): ReviewerKey {
  const key = privateKeyOf(text);
  if (key === null) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `${file}: holds no private Ed25519 key; \`cmcp catalog reviewer-key\` makes one`,
    );
  }
  // The public half is computed: what the file says it is does not matter.
  const { x = '' } = key.export({ format: 'jwk' });
  return { x, sign: (bytes) => encodeBase64Url(new Uint8Array(sign(null, bytes, key))) };
}

function privateKeyOf(text: string): KeyObject | null {
  const jwk = parsed(text);
  if (!isObject(jwk) || member(jwk, 'kty') !== 'OKP' || member(jwk, 'crv') !== 'Ed25519') return null;
  const [x, d] = [member(jwk, 'x'), member(jwk, 'd')];
  if (typeof x !== 'string' || typeof d !== 'string') return null;
  try {
    return createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', x, d }, format: 'jwk' });
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

function parsed(text: string): JsonValue {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}
