import { decodeHex } from '../../bytes/hex.ts';
import { jwkThumbprint } from '../../claim/key.ts';
import { sha256 } from '../../crypto/sha256.ts';

/**
 * The 64 bytes that evidence of a session carries (wire-formats section 10): SHA-256 thumbprint of the signing key, then SHA-256 of
 * the chain root. A verifier computes them from what it verified.
 *
 * @param x raw Ed25519 public key, base64url
 * @param root hash of the first entry, lower-case hex
 */
export function boundBytes(x: string, root: string): Uint8Array<ArrayBuffer> {
  const bound = new Uint8Array(64);
  bound.set(jwkThumbprint(x), 0);
  bound.set(sha256(decodeHex(root)), 32);
  return bound;
}
