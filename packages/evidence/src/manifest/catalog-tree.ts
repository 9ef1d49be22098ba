import { decodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { sha256 } from '../crypto/sha256.ts';
import { FormatError } from '../format-error.ts';
import { byCodePoint } from '../json/canonical.ts';
import { merkleRoot } from '../merkle/root.ts';

/** A tool as a leaf of the catalog tree; hashes are `sha256:…`. */
export interface CatalogLeaf {
  tool_id: string;
  schema_hash: string;
  description_hash: string;
}

/**
 * The Merkle root that a manifest may name a catalog by (wire-formats section 16.1): `sha256:` over leaves sorted by tool id.
 *
 * @throws FormatError for a hash that is not SHA-256
 */
export function catalogTree(tools: readonly CatalogLeaf[]): string {
  const sorted = [...tools].sort((a, b) => byCodePoint(a.tool_id, b.tool_id));
  return `sha256:${merkleRoot(sorted.map(leafOf))}`;
}

function leafOf({ tool_id, schema_hash, description_hash }: CatalogLeaf): Uint8Array {
  return sha256(
    Uint8Array.of(0, ...encodeUtf8(tool_id), 0, ...digestBytes(schema_hash), ...digestBytes(description_hash)),
  );
}

function digestBytes(hash: string): Uint8Array {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(hash)?.[1];
  if (hex === undefined) throw new FormatError('a leaf of the catalog tree is made of SHA-256 hashes');
  return decodeHex(hex);
}
