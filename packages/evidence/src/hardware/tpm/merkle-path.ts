import { decodeHex } from '../../bytes/hex.ts';
import { sha256 } from '../../crypto/sha256.ts';
import { FormatError } from '../../format-error.ts';
import { readJsonObject } from '../../json/document.ts';
import { integer, list, object, text } from '../../shape.ts';

/** The way from one leaf to the root of a tree of session bindings, all of which one quote stands for. */
export interface MerklePath {
  leafIndex: number;
  leafCount: number;
  /** Siblings from the leaf upwards. */
  auditPath: readonly Uint8Array[];
}

const HASH = /^[0-9a-f]{64}$/;
const SHAPE = object({ leaf_index: integer(0), leaf_count: integer(1), audit_path: list(text(HASH)) });
/** A tree of this height has more leaves than a safe integer counts. */
const MAX_HEIGHT = 53;

/**
 * Reads a path: `{"leaf_index": 0, "leaf_count": 3, "audit_path": ["<SHA-256 as hex>", …]}`.
 *
 * @throws FormatError
 */
export function parseMerklePath(bytes: Uint8Array): MerklePath {
  const value = readJsonObject(bytes, 'batch path', { depth: 3, items: 100 });
  const problem = SHAPE(value, 'the path');
  if (problem !== null) throw new FormatError(`batch path: ${problem}`);
  const { leaf_index, leaf_count, audit_path } = value as unknown as {
    leaf_index: number;
    leaf_count: number;
    audit_path: string[];
  };
  if (leaf_index >= leaf_count) throw new FormatError('batch path: the leaf is beyond the last one');
  if (audit_path.length > MAX_HEIGHT) throw new FormatError('batch path: it is longer than any tree is high');
  return { leafIndex: leaf_index, leafCount: leaf_count, auditPath: audit_path.map(decodeHex) };
}

/**
 * Root of the tree that the path leads to from `leaf`, or null when its length does not fit its place (RFC 9162 section 2.1.3.2).
 * Leaves and nodes are hashed with different first bytes, so that none passes for the other.
 */
export function merkleRoot(leaf: Uint8Array, { leafIndex, leafCount, auditPath }: MerklePath): Uint8Array | null {
  let at = leafIndex;
  let last = leafCount - 1;
  let root = node(0, leaf);
  for (const sibling of auditPath) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      root = node(1, sibling, root);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      root = node(1, root, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 ? root : null;
}

function node(kind: 0 | 1, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(Uint8Array.of(kind, ...parts.flatMap((part) => [...part])));
}
