import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import { canonicalSorted, canonicalSortedWithout } from '../json/canonical.ts';
import type { JsonObject } from '../json/value.ts';

/** `entry_hash` of an entry: hex SHA-256 over its sorted canonical form without `entry_hash`, with exactly the members it has. */
export function entryHash(entry: JsonObject): string {
  return sha256Hex(canonicalSortedWithout(entry, 'entry_hash'));
}

/** What `bundle_signature` is made over: SHA-256 of the sorted canonical form of the array of entries. */
export function bundleDigest(entries: readonly JsonObject[]): Uint8Array<ArrayBuffer> {
  // Piece by piece: a long session would not fit into one string.
  const hash = nobleSha256.create();
  hash.update(encodeUtf8('['));
  entries.forEach((entry, i) => {
    hash.update(encodeUtf8((i === 0 ? '' : ',') + canonicalSorted(entry)));
  });
  hash.update(encodeUtf8(']'));
  return new Uint8Array(hash.digest());
}

/** What the signature of a checkpoint is made over (contracts section 2). */
export function checkpointPreimage(checkpoint: JsonObject): Uint8Array<ArrayBuffer> {
  return encodeUtf8(`cmcp-checkpoint-v1|${canonicalSortedWithout(checkpoint, 'signature')}`);
}
