import { encodeHex } from '../bytes/hex.ts';
import { sha256 } from '../crypto/sha256.ts';
import { nodeHash } from './hash.ts';

/** Root over leaf hashes, bare hex (RFC 9162 section 2.1.1). Of no leaves: the hash of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): string {
  return encodeHex(leaves.length === 0 ? sha256(new Uint8Array()) : topOf(leaves));
}

function topOf(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return only;
  const split = splitOf(leaves.length);
  return nodeHash(topOf(leaves.slice(0, split)), topOf(leaves.slice(split)));
}

/** How many of `count` leaves (at least two) are left of the root: the largest power of two below their number. */
export function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}
