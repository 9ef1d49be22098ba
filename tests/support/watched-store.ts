import { type InProcessOptions, openAuditLogInProcess } from '../../packages/gateway/src/audit/in-process.ts';
import { openSqliteStore } from '../../packages/gateway/src/audit/stores/sqlite.ts';
import type { AuditLog, AuditStore, CommitBatch } from '../../packages/gateway/src/audit/types.ts';

type Kind = 'intent' | 'entry';

/**
 * The real store, watched: it writes down when a commit with an intent or a call's entry is on disk, and can be told to
 * fail the next one, or to hold it back until it is let go.
 */
export class WatchedStore {
  readonly timeline: string[];
  #failNext: Kind | null = null;
  #crashed = false;
  #store: AuditStore | null = null;
  #gate: { kind: Kind; open: Promise<void> } | null = null;

  /** `timeline`: what this and others saw, in order. */
  constructor(timeline: string[]) {
    this.timeline = timeline;
  }

  failNext(kind: Kind): void {
    this.#failNext = kind;
  }

  /** Holds commits of a kind until the returned function is called. */
  hold(kind: Kind): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = { kind, open: promise };
    return resolve;
  }

  /**
   * What a killed process leaves: the store as of its last commit, and its lock let go. Nothing of this log is stored any
   * more.
   */
  async crash(): Promise<void> {
    this.#crashed = true;
    await this.#store?.close();
  }

  /** What Gateway takes as `openLog`. */
  readonly openLog = async (options: Omit<InProcessOptions, 'store'>): Promise<AuditLog> => {
    this.#store = openSqliteStore(options.dataDir);
    return openAuditLogInProcess({ ...options, store: this.#watch(this.#store) });
  };

  #watch(store: AuditStore): AuditStore {
    return new Proxy(store, {
      get: (target, property) => {
        if (property === 'close' && this.#crashed) return () => Promise.resolve();
        if (property === 'commit') return (batch: CommitBatch) => this.#commit(target, batch);
        const value: unknown = Reflect.get(target, property);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async #commit(store: AuditStore, batch: CommitBatch): Promise<void> {
    const kinds = kindsIn(batch);
    if (this.#crashed) throw new Error('the process is gone');
    if (this.#gate !== null && kinds.includes(this.#gate.kind)) await this.#gate.open;
    if (this.#failNext !== null && kinds.includes(this.#failNext)) {
      this.#failNext = null;
      throw new Error('the disk is full');
    }
    await store.commit(batch);
    this.timeline.push(...kinds.map((kind) => `${kind} durable`));
  }
}

function kindsIn(batch: CommitBatch): Kind[] {
  const calls = batch.entries.some(({ entry }) => entry.call_id !== null);
  return [...(batch.intents.length > 0 ? (['intent'] as const) : []), ...(calls ? (['entry'] as const) : [])];
}
