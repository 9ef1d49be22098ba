import { encodeUtf8 } from '../bytes/utf8.ts';
import { sha256 } from '../crypto/sha256.ts';
import { canonicalSorted } from '../json/canonical.ts';
import type { JsonObject } from '../json/value.ts';

/** A first byte that differs keeps a leaf from ever being taken for a node. */
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/**
 * The leaf of a signed claim or record, its signature included (wire-formats section 12).
 *
 * @throws JsonError for a value that JSON cannot carry
 */
export function leafHash(signed: JsonObject): Uint8Array<ArrayBuffer> {
  return joined(LEAF, encodeUtf8(canonicalSorted(signed)));
}

/** The node over two others. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined(NODE, left, right);
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return sha256(bytes);
}

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

/** Not `>>`, which knows 32 bits only. */
function half(n: number): number {
  return Math.floor(n / 2);
}
