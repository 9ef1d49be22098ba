import { encodeUtf8 } from '../bytes/utf8.ts';
import { digest } from '../crypto/sha256.ts';
import { canonicalSorted, canonicalSortedWithout } from '../json/canonical.ts';
import type { JsonObject } from '../json/value.ts';

/** What the signature of a claim is made over: its sorted canonical form without `signature`, not hashed first. */
export function claimPreimage(claim: JsonObject): Uint8Array<ArrayBuffer> {
  return encodeUtf8(canonicalSortedWithout(claim, 'signature'));
}

/** How a successor names a claim in `prev_claim_hash`: over the whole claim, its signature included. */
export function claimDigest(claim: JsonObject): string {
  return digest(canonicalSorted(claim));
}
