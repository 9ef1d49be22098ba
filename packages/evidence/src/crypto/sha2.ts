import { sha1 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';

/** The hashes that evidence uses. SHA-1 is read so that what relies on it can be named, and is never acceptable. */
export type HashName = 'sha1' | 'sha256' | 'sha384' | 'sha512';

const HASHES = { sha1, sha256, sha384, sha512 };

/** Bytes of a digest. */
export const HASH_LENGTH: Readonly<Record<HashName, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };

/** Digest of `bytes`. */
export function hash(name: HashName, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(HASHES[name](bytes));
}
