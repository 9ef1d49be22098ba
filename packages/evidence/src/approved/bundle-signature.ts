import { encodeUtf8 } from '../bytes/utf8.ts';
import { type SignatureResult, verifyEd25519 } from '../crypto/ed25519.ts';

/** What the policy signing key signs of a bundle: the text of its hash, under a label of its own (wire-formats section 4). */
export function bundleSignaturePreimage(hash: string): Uint8Array<ArrayBuffer> {
  return encodeUtf8(`cmcp-policy-bundle-v1|${hash}`);
}

/**
 * Whether `signature` (base64url, as in `manifest.signature`) is that of the Ed25519 key `x` over the bundle of this hash. The hash is to
 * be computed from the files, never taken from a message.
 */
export function verifyBundleSignature(hash: string, signature: string, x: string): Promise<SignatureResult> {
  return verifyEd25519(x, signature, bundleSignaturePreimage(hash));
}
