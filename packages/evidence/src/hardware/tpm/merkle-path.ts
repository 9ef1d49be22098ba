import { decodeHex, encodeHex } from '../../bytes/hex.ts';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { FormatError } from '../../format-error.ts';
import { readJsonObject } from '../../json/document.ts';
import { contentHash } from '../../merkle/hash.ts';
import { rootOf } from '../../merkle/inclusion.ts';
import { inclusionPaths } from '../../merkle/paths.ts';
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

/** Root of the tree in which `value` is the content of the path's leaf, or null when the path cannot be one. */
export function merkleRoot(value: Uint8Array, { leafIndex, leafCount, auditPath }: MerklePath): Uint8Array | null {
  return rootOf(contentHash(value), leafIndex, leafCount, auditPath);
}

/** A tree over several values, for the side that makes the quote. */
export interface MerkleBatch {
  /** What the quote carries. */
  root: Uint8Array<ArrayBuffer>;
  /** For each value, in order, its path as {@link parseMerklePath} reads it. */
  paths: Uint8Array<ArrayBuffer>[];
}

/** The tree whose leaves hold `values` (at least one), in order. */
export function merkleBatch(values: readonly Uint8Array[]): MerkleBatch {
  const { root, paths } = inclusionPaths(values.map(contentHash));
  const files = paths.map((path, leaf_index) => ({
    leaf_index,
    leaf_count: values.length,
    audit_path: path.map(encodeHex),
  }));
  return { root, paths: files.map((file) => encodeUtf8(JSON.stringify(file))) };
}
