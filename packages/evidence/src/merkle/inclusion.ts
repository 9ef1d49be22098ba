import { half } from './half.ts';
import { nodeHash } from './hash.ts';

/**
 * The root of the tree of `count` leaves in which `leaf` is at `index` and `path` are the siblings from leaf to root (RFC 9162
 * section 2.1.3.2); null when a path of this length cannot be one. Index, count and path are an attacker's.
 */
export function rootOf(
  leaf: Uint8Array<ArrayBuffer>,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> | null {
  if (!Number.isSafeInteger(count) || !Number.isInteger(index) || index < 0 || index >= count) return null;
  let at = index;
  let last = count - 1;
  let root = leaf;
  for (const sibling of path) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      root = nodeHash(sibling, root);
      // The last node of an odd level is promoted unchanged, as often as it is alone.
      while (at % 2 === 0 && at > 0) {
        at = half(at);
        last = half(last);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    at = half(at);
    last = half(last);
  }
  return last === 0 ? root : null;
}
