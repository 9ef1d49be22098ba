import type { StandingName } from '../types.ts';
import { readSibling, siblingStores } from './sibling-stores.ts';

/**
 * What other stores of the same data folder remember under a name, whoever wrote it: a key that was revoked at one gateway of the folder
 * is revoked for all that start after it. `root`: the configured data folder; `own`: the store in use, or null for none.
 *
 * @throws GatewayError STORE_INVALID when a store is there and cannot be read: what was revoked is then not known
 */
export async function siblingStandings(root: string, own: string | null, name: StandingName): Promise<string[]> {
  return (await siblingStores(root, own)).flatMap((path) => readStandings(path, name));
}

export function readStandings(path: string, name: StandingName): string[] {
  return readSibling(path, `remembers ${name} keys`, (db) => {
    // A store that no gateway of this version has opened yet has no such table.
    const table = db.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'standings'`).get();
    if (table === undefined) return [];
    return db
      .prepare('SELECT body FROM standings WHERE name = ?')
      .all(name)
      .map(({ body }) => String(body));
  });
}
