import { GatewayError } from '../errors.ts';
import type { AuditStore, CommitBatch } from './types.ts';

interface Waiter {
  resolve(): void;
  reject(error: GatewayError): void;
}

/** Runs `task` soon, but after everything that is being asked in this turn. */
export type Schedule = (task: () => void) => void;

/**
 * Group commit: one commit at a time, and everything asked while it runs goes into the next one. A promise of
 * {@link durable} resolves only after the store said that its batch is on stable storage. After the first failure nothing
 * resolves any more (contracts section 2: fail closed).
 */
export class GroupCommit {
  readonly #store: AuditStore;
  readonly #schedule: Schedule;
  readonly #seal: (batch: CommitBatch) => void;
  #batch = emptyBatch();
  #waiters: Waiter[] = [];
  #busy = false;
  #failure: GatewayError | null = null;

  /** `seal` completes a batch just before it is committed: the checkpoints of what it holds. */
  constructor(store: AuditStore, schedule: Schedule, seal: (batch: CommitBatch) => void) {
    this.#store = store;
    this.#schedule = schedule;
    this.#seal = seal;
  }

  /** AUDIT_UNAVAILABLE once a commit has failed or the log was closed. */
  get failure(): GatewayError | null {
    return this.#failure;
  }

  /** Throws AUDIT_UNAVAILABLE once a commit has failed or the log was closed. */
  assertAlive(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** The batch that the next commit takes. Fill it, then await {@link durable} in the same turn. */
  next(): CommitBatch {
    this.assertAlive();
    return this.#batch;
  }

  /** Resolves once the batch that is now being filled is durable. */
  durable(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#busy) return;
      this.#busy = true;
      this.#schedule(() => void this.#run());
    });
  }

  /** Lets what was asked become durable, then refuses everything. */
  async stop(): Promise<void> {
    if (this.#failure === null && this.#busy) await Promise.allSettled([this.durable()]);
    this.#failure ??= new GatewayError('AUDIT_UNAVAILABLE', 'the audit log is closed');
  }

  async #run(): Promise<void> {
    while (this.#waiters.length > 0) {
      const batch = this.#batch;
      const waiters = this.#waiters;
      this.#batch = emptyBatch();
      this.#waiters = [];
      try {
        this.#seal(batch);
        await this.#store.commit(batch);
      } catch (cause) {
        this.#fail(cause, waiters);
        return;
      }
      for (const waiter of waiters) waiter.resolve();
    }
    this.#busy = false;
  }

  /** Whatever went wrong, a record may be lost: it can only be the end of the log. */
  #fail(cause: unknown, waiters: Waiter[]): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const failure = new GatewayError('AUDIT_UNAVAILABLE', `a commit failed: ${reason}`, { cause });
    this.#failure = failure;
    for (const waiter of [...waiters, ...this.#waiters]) waiter.reject(failure);
    this.#waiters = [];
  }
}

function emptyBatch(): CommitBatch {
  return {
    sessions: [],
    intents: [],
    settled: [],
    entries: [],
    checkpoints: [],
    exposures: [],
    salts: [],
    claims: [],
    evidence: [],
    anchor: null,
    standings: [],
  };
}
