import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StandingName } from '../types.ts';
import { readStandings } from './sibling-standings.ts';
import { siblingStores } from './sibling-stores.ts';

/** What the other stores of a data folder remember under one name, each in its text. */
export interface StandingsElsewhere {
  /** The store of the folder itself, which operators reach; null: it is the one in use, or remembers nothing. */
  root: string | null;
  others: readonly string[];
}

/** Looks again and again at the other stores of a data folder, and reads those that changed. */
export class WatchedStandings {
  readonly #folder: string;
  readonly #own: string;
  readonly #name: StandingName;
  #seen = new Map<string, { written: string; texts: string[] }>();
  #looked = false;

  /** `folder`: the configured data folder; `own`: the store in use. */
  constructor(folder: string, own: string, name: StandingName) {
    this.#folder = folder;
    this.#own = own;
    this.#name = name;
  }

  /** Null when nothing was written since the last time. @throws GatewayError STORE_INVALID when a store cannot be read */
  async look(): Promise<StandingsElsewhere | null> {
    const seen = new Map<string, { written: string; texts: string[] }>();
    let changed = false;
    for (const path of await siblingStores(this.#folder, this.#own)) {
      const before = this.#seen.get(path);
      const written = await writtenAt(path);
      const isNew = before === undefined || before.written !== written;
      changed ||= isNew;
      seen.set(path, isNew ? { written, texts: readStandings(path, this.#name) } : before);
    }
    const same = !changed && seen.size === this.#seen.size && this.#looked;
    this.#seen = seen;
    this.#looked = true;
    return same ? null : this.#texts();
  }

  #texts(): StandingsElsewhere {
    const main = join(this.#folder, 'audit.db');
    const of = (isMain: boolean): string[] =>
      [...this.#seen].flatMap(([path, { texts }]) => ((path === main) === isMain ? texts : []));
    return { root: of(true)[0] ?? null, others: of(false) };
  }
}

/** Every commit goes to the file or to the log beside it. */
async function writtenAt(path: string): Promise<string> {
  const times = await Promise.all(
    [path, `${path}-wal`].map((each) =>
      stat(each).then(
        ({ mtimeMs, size }) => `${mtimeMs}:${size}`,
        () => 'none',
      ),
    ),
  );
  return times.join(' ');
}
