import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';

/** Bytes of an ML-DSA-65 public key and of a signature (FIPS 204 table 2). */
export const ML_DSA_65_KEY_BYTES = 1952;
const SIGNATURE_BYTES = 3309;

/**
 * Whether `signature` is a pure ML-DSA-65 signature (FIPS 204, empty context) over `message` under the public key `key`. Every
 * key of the right length is one: FIPS 204 knows no weak keys and one encoding of each.
 */
export function verifyMlDsa65(key: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  if (key.length !== ML_DSA_65_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  return ml_dsa65.verify(signature, message, key);
}
