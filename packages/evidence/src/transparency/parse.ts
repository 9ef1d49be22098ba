import { decodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { integer, list, object, type Rule, text, utcTime } from '../shape.ts';
import { parseTimestamp } from '../time.ts';

/** One line of the registry: a batch of records under one Merkle root (wire-formats section 12). */
export interface AnchorEntry {
  /** Microseconds since the epoch, by the registry's clock. */
  micros: number;
  root: Uint8Array<ArrayBuffer>;
  leafCount: number;
  producer: string;
  batchId: string;
}

/** Where a record is in its batch: a sibling for every level, from leaf to root. */
export interface AnchorProof {
  leafIndex: number;
  path: Uint8Array<ArrayBuffer>[];
}

/** A batch that can be counted has no longer paths. */
const MAX_PATH = 53;
const DOCUMENT = { bytes: 64 * 1024, depth: 4, items: 1000 };
const HASH = text(/^sha256:[0-9a-f]{64}$/);
const NAME = text(/./s);

const ENTRY = object({ ts: utcTime, merkle_root: HASH, leaf_count: integer(1), producer: NAME, batch_id: NAME });
const PROOF = object({ leaf_index: integer(0), audit_path: list(HASH) });

/** Reads an entry of the registry. @throws FormatError */
export function parseAnchorEntry(input: Uint8Array | string): AnchorEntry {
  const value = checked(input, ENTRY, 'the registry entry');
  const { ts, merkle_root, leaf_count, producer, batch_id } = value as unknown as {
    ts: string;
    merkle_root: string;
    leaf_count: number;
    producer: string;
    batch_id: string;
  };
  return {
    micros: parseTimestamp(ts) ?? 0,
    root: hashBytes(merkle_root),
    leafCount: leaf_count,
    producer,
    batchId: batch_id,
  };
}

/** Reads the proof of one record. @throws FormatError */
export function parseAnchorProof(input: Uint8Array | string): AnchorProof {
  const value = checked(input, PROOF, 'the inclusion proof');
  const { leaf_index, audit_path } = value as unknown as { leaf_index: number; audit_path: string[] };
  if (audit_path.length > MAX_PATH) throw new FormatError(`a path is not longer than ${MAX_PATH}`);
  return { leafIndex: leaf_index, path: audit_path.map(hashBytes) };
}

function checked(input: Uint8Array | string, rule: Rule, what: string): object {
  const value = readJsonObject(input, what, DOCUMENT);
  const problem = rule(value, what);
  if (problem !== null) throw new FormatError(problem);
  return value;
}

function hashBytes(prefixed: string): Uint8Array<ArrayBuffer> {
  return decodeHex(prefixed.slice('sha256:'.length));
}
