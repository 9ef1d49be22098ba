import type { Exposure } from '../types.ts';
import { readSibling, siblingStores } from './sibling-stores.ts';

/**
 * What other stores of the same data folder know of exposures. Exposure belongs to the subject (contracts section 1): an
 * agent must not lose it by being served from another store. `root`: the configured data folder; `own`: the store in use.
 *
 * @throws GatewayError STORE_INVALID when a store is there and cannot be read: what an agent has seen is then not known
 */
export async function siblingExposures(root: string, own: string): Promise<Exposure[]> {
  return (await siblingStores(root, own)).flatMap(readExposures);
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
  return readSibling(path, 'holds exposures', (db) =>
    db
      .prepare('SELECT subject, class, rank, generation, last_call_micros FROM exposures')
      .all()
      .map((row) => ({
        subject: String(row.subject),
        class: String(row.class),
        rank: Number(row.rank),
        generation: Number(row.generation),
        lastCallMicros: Number(row.last_call_micros),
      })),
  );
}
