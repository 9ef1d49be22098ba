import { equalBytes } from '../bytes/equal.ts';
import { half } from './half.ts';
import { nodeHash } from './hash.ts';

/** A tree of `size` leaves. */
export interface TreeHead {
  size: number;
  root: Uint8Array;
}

/** Whether `proof` shows that the tree `later` starts with all leaves of `earlier`, unchanged (RFC 9162 section 2.1.4.2). */
export function isConsistent(earlier: TreeHead, later: TreeHead, proof: readonly Uint8Array[]): boolean {
  if (earlier.size < 1 || earlier.size > later.size) return false;
  if (earlier.size === later.size) return proof.length === 0 && equalBytes(earlier.root, later.root);
  let first = earlier.size - 1;
  let last = later.size - 1;
  while (first % 2 === 1) [first, last] = [half(first), half(last)];
  const path = first === 0 ? [earlier.root, ...proof] : [...proof];
  const seed = path.shift();
  if (seed === undefined) return false;
  let [ofFirst, ofLast] = [seed, seed];
  for (const sibling of path) {
    if (last === 0) return false;
    if (first % 2 === 1 || first === last) {
      [ofFirst, ofLast] = [nodeHash(sibling, ofFirst), nodeHash(sibling, ofLast)];
      while (first % 2 === 0 && first !== 0) [first, last] = [half(first), half(last)];
    } else {
      ofLast = nodeHash(ofLast, sibling);
    }
    [first, last] = [half(first), half(last)];
  }
  return last === 0 && equalBytes(ofFirst, earlier.root) && equalBytes(ofLast, later.root);
}
