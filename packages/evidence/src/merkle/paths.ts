import { nodeHash } from './hash.ts';
import { splitOf } from './root.ts';

/** A tree with the way from each leaf to its root. */
export interface Paths {
  root: Uint8Array<ArrayBuffer>;
  /** For each leaf its siblings, from the leaf upwards. */
  paths: Uint8Array<ArrayBuffer>[][];
}

/** The tree over leaf hashes, of which there is at least one, and the inclusion path of every leaf (RFC 9162 section 2.1.3.1). */
export function inclusionPaths(leaves: readonly Uint8Array<ArrayBuffer>[]): Paths {
  const [only] = leaves;
  if (only === undefined) throw new RangeError('a tree has a leaf');
  if (leaves.length === 1) return { root: only, paths: [[]] };
  const split = splitOf(leaves.length);
  const [left, right] = [inclusionPaths(leaves.slice(0, split)), inclusionPaths(leaves.slice(split))];
  const paths = [
    ...left.paths.map((path) => [...path, right.root]),
    ...right.paths.map((path) => [...path, left.root]),
  ];
  return { root: nodeHash(left.root, right.root), paths };
}
