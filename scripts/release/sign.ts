import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { canonicalJcs, encodeBase64Url, encodeUtf8, type JsonObject } from '@cmcp/evidence';

/** Reads the publisher's private key: Ed25519 as PEM (`openssl genpkey -algorithm ed25519`). */
export async function readSigningKey(file: string): Promise<KeyObject> {
  const key = createPrivateKey(await readFile(file));
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${file} holds no Ed25519 key`);
  return key;
}

/** `document` with a member `signature`: Ed25519 over its RFC 8785 form, base64url. */
export function signed(document: JsonObject, key: KeyObject): JsonObject {
  const signature = sign(null, encodeUtf8(canonicalJcs(document)), key);
  return { ...document, signature: encodeBase64Url(Uint8Array.from(signature)) };
}

/** The public half as a JWK, for `--key` of `cmcp attest measure`. */
export function publicJwk(key: KeyObject): JsonObject {
  const { kty = '', crv = '', x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return { kty, crv, x };
}
