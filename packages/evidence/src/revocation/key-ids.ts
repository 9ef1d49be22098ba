import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { keyId } from '../claim/key.ts';
import type { PublicKey } from '../crypto/key.ts';
import { sha256, sha256Hex } from '../crypto/sha256.ts';

/** RFC 7638 thumbprint of a key: SHA-256 over its required JWK members in order. */
export function thumbprintOf(key: PublicKey): Uint8Array<ArrayBuffer> {
  return sha256(encodeUtf8(requiredMembers(key)));
}

function requiredMembers(key: PublicKey): string {
  switch (key.kind) {
    case 'ed25519':
      return `{"crv":"Ed25519","kty":"OKP","x":"${encodeBase64Url(key.raw)}"}`;
    case 'ec':
      return `{"crv":"${key.curve}","kty":"EC","x":"${encodeBase64Url(key.x)}","y":"${encodeBase64Url(key.y)}"}`;
    case 'rsa':
      return `{"e":"${encodeBase64Url(key.e)}","kty":"RSA","n":"${encodeBase64Url(key.n)}"}`;
  }
}

/**
 * Every name by which a revocation may mean a key: its thumbprint in either encoding, its `kid`, and for Ed25519 keys the ids
 * that gateways and manifests use (wire-formats section 3). A revocation must not be missed because of how it names its key.
 */
export function idsOf(key: PublicKey, kid?: string): Set<string> {
  const thumbprint = thumbprintOf(key);
  const ids = [encodeBase64Url(thumbprint), encodeHex(thumbprint), `sha256:${encodeHex(thumbprint)}`];
  if (kid !== undefined) ids.push(kid);
  if (key.kind === 'ed25519') ids.push(sha256Hex(key.raw), keyId(encodeBase64Url(key.raw)));
  return new Set(ids);
}
