import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { claimDigest, isObject, JsonError, type JsonObject, type JsonValue, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { type Anchor, type AnchoredState, readAnchor } from '../anchor.ts';
import type { RecordSeal } from '../store-key.ts';

/** The record of a store about its counter, as it is stored. */
interface AnchorRow {
  text: string;
  tag: string;
}

/**
 * What the store in `dataDir` records about the counter that anchors it; null when it records nothing, or is not there. To be asked
 * before the store is opened: opening it recovers sessions, which an older store must not have done to it.
 *
 * @throws GatewayError STORE_INVALID when it cannot be read, or who wrote the record had not the store's key; STORE_ROLLED_BACK
 * when the store lacks what it held when the record was made: then the record is of a newer state than the rest
 */
export function readStoredAnchor(dataDir: string, seal: RecordSeal): Anchor | null {
  return reading(dataDir, (db, path) => {
    const row = rowIn(db);
    if (row === null) return null;
    const anchor = seal.opens(row.text, row.tag) ? readAnchor(row.text) : null;
    if (anchor === null) throw foreignRecord(path);
    const lacking = missing(db, anchor.state);
    if (lacking === null) return anchor;
    throw new GatewayError(
      'STORE_ROLLED_BACK',
      `${path} lacks ${lacking}, which it held when its counter was last recorded: put back the newest copy of the store`,
    );
  });
}

/**
 * The record of the store in `dataDir` about its counter, whoever wrote it; null when there is none.
 *
 * @throws GatewayError STORE_INVALID when the store cannot be read
 */
export function unverifiedAnchor(dataDir: string): { anchor: Anchor | null } | null {
  return reading(dataDir, (db) => {
    const row = rowIn(db);
    return row && { anchor: readAnchor(row.text) };
  });
}

function reading<T>(dataDir: string, read: (db: DatabaseSync, path: string) => T | null): T | null {
  const path = join(dataDir, 'audit.db');
  if (!existsSync(path)) return null;
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    try {
      return read(db, path);
    } finally {
      db.close();
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('STORE_INVALID', `${path} cannot be read: ${String(cause)}`, { cause });
  }
}

function rowIn(db: DatabaseSync): AnchorRow | null {
  // Version 1 of the schema has no such table.
  if (db.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'anchor'`).get() === undefined)
    return null;
  const row = db.prepare('SELECT body, tag FROM anchor').get();
  return row === undefined ? null : { text: String(row.body), tag: String(row.tag) };
}

function foreignRecord(path: string): GatewayError {
  return new GatewayError(
    'STORE_INVALID',
    `what ${path} records about its counter was not written with the key of this store: the record or the key was replaced. Put back the newest copy of the store with its key; if the key is lost, start once with \`attestation.tpm.rollback_counter: false\``,
  );
}

/** The first thing of `state` that the store does not hold any more, in words; null when it holds all. */
function missing(db: DatabaseSync, { claim, open }: AnchoredState): string | null {
  if (claim !== null) {
    const row = db.prepare('SELECT body FROM claims WHERE number = ?').get(claim.number);
    if (row === undefined || digestOf(String(row.body)) !== claim.digest) return `claim ${claim.number}`;
  }
  const entry = db.prepare('SELECT body FROM entries WHERE session_id = ? ORDER BY id LIMIT 1 OFFSET ?');
  const cut = open.find(({ session, length, tip }) => hashIn(entry.get(session, length - 1)?.body) !== tip);
  return cut === undefined ? null : `entry ${cut.length - 1} of session ${cut.session}`;
}

function digestOf(body: string): string | null {
  const claim = objectIn(body);
  return claim === null ? null : claimDigest(claim);
}

function hashIn(body: SQLOutputValue | undefined): JsonValue | undefined {
  return objectIn(String(body))?.entry_hash;
}

function objectIn(body: string): JsonObject | null {
  try {
    const value = parseJson(body);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}
