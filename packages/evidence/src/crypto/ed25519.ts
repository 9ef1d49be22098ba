import { decodeBase64Url } from '../bytes/base64url.ts';
import { EncodingError } from '../bytes/utf8.ts';

/** `unsupported`: this engine has no Ed25519 in WebCrypto, so nothing was checked. */
export type SignatureResult = 'valid' | 'invalid' | 'unsupported';

/** Order of the prime subgroup; a signature's S must be below it. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
/** The field prime; a point's y must be below it. */
const P = 2n ** 255n - 19n;
/** y coordinates of the points whose order divides 8: under such a key, one signature can fit many messages. */
const SMALL_ORDER_Y = new Set([
  0n,
  1n,
  P - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
]);

/**
 * Whether `signature` (base64url) is an Ed25519 signature over `message` under the key `x` (base64url, JWK member). Strict, so
 * that every engine gives the same answer: canonical text, canonical points, no small-order key, S below the group order.
 */
export async function verifyEd25519(
  x: string,
  signature: string,
  message: Uint8Array<ArrayBuffer>,
): Promise<SignatureResult> {
  const key = decoded(x);
  const bytes = decoded(signature);
  if (key === null || bytes === null || !isAcceptableKey(key) || !isCanonicalSignature(bytes)) return 'invalid';
  // A browser page that is not a secure context has no WebCrypto at all.
  const subtle: typeof crypto.subtle | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) return 'unsupported';
  try {
    const imported = await subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
    return (await subtle.verify('Ed25519', imported, bytes, message)) ? 'valid' : 'invalid';
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return error.name === 'NotSupportedError' ? 'unsupported' : 'invalid';
  }
}

/** Whether `x` is base64url of an Ed25519 public key that signatures may be checked under. */
export function isAcceptableKeyText(x: string): boolean {
  const key = decoded(x);
  return key !== null && isAcceptableKey(key);
}

function decoded(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return decodeBase64Url(text);
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}

function isAcceptableKey(key: Uint8Array): boolean {
  if (key.length !== 32) return false;
  const y = yOf(key);
  return y < P && !SMALL_ORDER_Y.has(y);
}

function isCanonicalSignature(signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  return yOf(signature.subarray(0, 32)) < P && littleEndian(signature.subarray(32)) < L;
}

/** The y coordinate of an encoded point: the top bit is the sign of x. */
function yOf(point: Uint8Array): bigint {
  return littleEndian(point) & (2n ** 255n - 1n);
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
  return value;
}
