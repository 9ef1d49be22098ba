import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type { Exposure } from '../types.ts';

/** Below the data folder: one store per stdio gateway (contracts section 2). */
export const STDIO_FOLDER = 'stdio';

/**
 * What other stores of the same data folder know of exposures. Exposure belongs to the subject (contracts section 1): an
 * agent must not lose it by being served from another store. `root`: the configured data folder; `own`: the store in use.
 *
 * @throws GatewayError STORE_INVALID when a store is there and cannot be read: what an agent has seen is then not known
 */
export async function siblingExposures(root: string, own: string): Promise<Exposure[]> {
  return (await siblingStores(root, own)).flatMap(readExposures);
}

/** The files of the other stores of a data folder. `root`: the configured data folder; `own`: the store in use, or null for none. */
export async function siblingStores(root: string, own: string | null): Promise<string[]> {
  const stdio = join(root, STDIO_FOLDER);
  const slots = existsSync(stdio) ? (await readdir(stdio)).map((slot) => join(stdio, slot)) : [];
  const stores = [root, ...slots].filter((folder) => folder !== own).map((folder) => join(folder, 'audit.db'));
  return stores.filter((path) => existsSync(path));
}

/** The most that any store knows, per subject: the highest class, the latest call. Generations are the first list's. */
export function mergeExposures(own: readonly Exposure[], others: readonly Exposure[]): Exposure[] {
  const merged = new Map(own.map((row) => [row.subject, row]));
  for (const row of others) {
    const known = merged.get(row.subject) ?? { ...row, generation: 0 };
    const higher = row.rank > known.rank ? row : known;
    const lastCallMicros = Math.max(known.lastCallMicros, row.lastCallMicros);
    merged.set(row.subject, { ...known, class: higher.class, rank: higher.rank, lastCallMicros });
  }
  return [...merged.values()];
}

function readExposures(path: string): Exposure[] {
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    try {
      const rows = db.prepare('SELECT subject, class, rank, generation, last_call_micros FROM exposures').all();
      return rows.map((row) => ({
        subject: String(row.subject),
        class: String(row.class),
        rank: Number(row.rank),
        generation: Number(row.generation),
        lastCallMicros: Number(row.last_call_micros),
      }));
    } finally {
      db.close();
    }
  } catch (cause) {
    throw new GatewayError('STORE_INVALID', `${path} holds exposures and cannot be read: ${String(cause)}`, { cause });
  }
}
