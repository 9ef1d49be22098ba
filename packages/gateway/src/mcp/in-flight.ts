import type { JsonValue } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { RequestId } from './jsonrpc.ts';

interface Running {
  abort: AbortController;
  done: Promise<unknown>;
}

/** The requests of one channel (a session, a pipe) that have no answer yet, by id: unique, bounded, cancellable. */
export class InFlight {
  readonly #running = new Map<string, Running>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#running.size;
  }

  has(id: RequestId): boolean {
    return this.#running.has(key(id));
  }

  /**
   * Runs `work` under `id`.
   * @throws GatewayError INVALID_REQUEST when the id is in use (MCP25-14), OVERLOADED at the bound
   */
  async run<T>(id: RequestId, work: (signal: AbortSignal) => Promise<T>): Promise<{ value: T; cancelled: boolean }> {
    if (this.has(id)) throw new GatewayError('INVALID_REQUEST', 'the id belongs to a request in flight');
    if (this.#running.size >= this.#limit) throw new GatewayError('OVERLOADED', 'too many requests in flight');
    const abort = new AbortController();
    const done = work(abort.signal);
    this.#running.set(key(id), { abort, done });
    try {
      return { value: await done, cancelled: abort.signal.aborted };
    } finally {
      this.#running.delete(key(id));
    }
  }

  /** Aborts the request that `notifications/cancelled` names; an unknown or unreadable id is ignored, as the protocol asks. */
  cancel(requestId: JsonValue | undefined): void {
    if (typeof requestId === 'string' || typeof requestId === 'number')
      this.#running.get(key(requestId))?.abort.abort();
  }

  abortAll(): void {
    for (const { abort } of this.#running.values()) abort.abort();
  }

  /** Resolves when everything that runs now has ended, well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }
}

/** `1` and `"1"` are different ids (ATK-20). */
function key(id: RequestId): string {
  return `${typeof id}:${id}`;
}
