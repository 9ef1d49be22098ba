import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { claimDigest, isObject, JsonError, type JsonObject, type JsonValue, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { type Anchor, type AnchoredState, readAnchor } from '../anchor.ts';
import type { AnchorSeal } from '../store-key.ts';

/**
 * What the store at `path` records about the counter that anchors it; null when it records nothing, or is not there. To be asked
 * before the store is opened: opening it recovers sessions, which an older store must not have done to it.
 *
 * @throws GatewayError STORE_INVALID when it cannot be read, or who wrote the record had not the store's key; STORE_ROLLED_BACK
 * when the store lacks what it held when the record was made: then the record is of a newer state than the rest
 */
export function readStoredAnchor(path: string, seal: AnchorSeal): Anchor | null {
  if (!existsSync(path)) return null;
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    try {
      return anchorIn(db, path, seal);
    } finally {
      db.close();
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('STORE_INVALID', `${path} cannot be read: ${String(cause)}`, { cause });
  }
}

function anchorIn(db: DatabaseSync, path: string, seal: AnchorSeal): Anchor | null {
  // Version 1 of the schema has no such table.
  if (db.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'anchor'`).get() === undefined)
    return null;
  const row = db.prepare('SELECT body, tag FROM anchor').get();
  if (row === undefined) return null;
  const text = String(row.body);
  const anchor = seal.opens(text, String(row.tag)) ? readAnchor(text) : null;
  if (anchor === null) {
    throw new GatewayError(
      'STORE_INVALID',
      `what ${path} records about its counter was not written with the key of this store: record or key was replaced`,
    );
  }
  const lacking = missing(db, anchor.state);
  if (lacking === null) return anchor;
  throw new GatewayError(
    'STORE_ROLLED_BACK',
    `${path} lacks ${lacking}, which it held when its counter was last recorded: put back the newest copy of the store`,
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
