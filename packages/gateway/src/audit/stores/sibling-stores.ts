import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';

/** Below the data folder: one store per stdio gateway (contracts section 2). */
export const STDIO_FOLDER = 'stdio';

/** The files of the other stores of a data folder. `root`: the configured data folder; `own`: the store in use, or null for none. */
export async function siblingStores(root: string, own: string | null): Promise<string[]> {
  const stdio = join(root, STDIO_FOLDER);
  const slots = existsSync(stdio) ? (await readdir(stdio)).map((slot) => join(stdio, slot)) : [];
  const stores = [root, ...slots].filter((folder) => folder !== own).map((folder) => join(folder, 'audit.db'));
  return stores.filter((path) => existsSync(path));
}

/**
 * Reads another gateway's store, which that gateway may be writing. `what`: what is asked of it, for the error.
 *
 * @throws GatewayError STORE_INVALID when it cannot be read: what it remembers is then not known
 */
export function readSibling<T>(path: string, what: string, read: (db: DatabaseSync) => T[]): T[] {
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    try {
      // Its gateway is only making it: the tables come in one transaction, and no session is opened before.
      if (db.prepare('PRAGMA schema_version').get()?.schema_version === 0) return [];
      return read(db);
    } finally {
      db.close();
    }
  } catch (cause) {
    throw new GatewayError('STORE_INVALID', `${path} ${what} and cannot be read: ${String(cause)}`, { cause });
  }
}
