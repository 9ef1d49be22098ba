import { decodeBase64Url } from '../bytes/base64url.ts';
import { encodeHex } from '../bytes/hex.ts';
import { EncodingError, encodeUtf8 } from '../bytes/utf8.ts';
import { sha256 } from '../crypto/sha256.ts';

/** RFC 7638 thumbprint of the Ed25519 key whose JWK member `x` is given: 32 bytes. */
export function jwkThumbprint(x: string): Uint8Array<ArrayBuffer> {
  rawKey(x);
  return sha256(encodeUtf8(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`));
}

/** `kid` of a claim key: `cmcp-` and the first 8 hex digits of the raw key. */
export function keyId(x: string): string {
  return `cmcp-${encodeHex(rawKey(x)).slice(0, 8)}`;
}

/** `subject` of a claim key: a SPIFFE id that ends in the first 16 hex digits of the raw key. */
export function keySubject(x: string): string {
  return `spiffe://cmcp.gateway/tee/${encodeHex(rawKey(x)).slice(0, 16)}`;
}

/** The raw key. @throws EncodingError when `x` is not base64url of 32 bytes */
function rawKey(x: string): Uint8Array<ArrayBuffer> {
  const raw = decodeBase64Url(x);
  if (raw.length !== 32) throw new EncodingError('an Ed25519 public key has 32 bytes');
  return raw;
}
