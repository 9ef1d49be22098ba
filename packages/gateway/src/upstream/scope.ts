import { GatewayError } from '../errors.ts';
import type { MonotonicTimers } from './monotonic.ts';

/**
 * The life of one call upstream: it ends when the caller cancels or when its absolute time is over, whichever is first,
 * and nothing that the server sends prolongs it (MCP26-32).
 */
export class Scope {
  #ended: GatewayError | null = null;
  readonly #listeners = new Set<(error: GatewayError) => void>();
  readonly #deadlineMs: number;
  readonly #timers: MonotonicTimers;
  readonly #release: () => void;

  constructor(signal: AbortSignal, timeoutMs: number, timers: MonotonicTimers) {
    this.#timers = timers;
    this.#deadlineMs = timers.nowMs() + timeoutMs;
    const cancel = () => this.#end(new GatewayError('CALL_CANCELLED', 'the caller cancelled'));
    const stopTimer = timers.after(timeoutMs, () =>
      this.#end(new GatewayError('UPSTREAM_TIMEOUT', `no answer within ${timeoutMs} ms`)),
    );
    signal.addEventListener('abort', cancel, { once: true });
    this.#release = () => {
      stopTimer();
      signal.removeEventListener('abort', cancel);
    };
    if (signal.aborted) cancel();
  }

  get ended(): GatewayError | null {
    return this.#ended;
  }

  get remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.#timers.nowMs());
  }

  /** Calls `listener` once when the scope ends, at once if it has; the returned function takes the listener away. */
  onEnd(listener: (error: GatewayError) => void): () => void {
    if (this.#ended !== null) listener(this.#ended);
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `work`, or a rejection as soon as the scope ends. For what is shared with other calls and goes on without this one. */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const off = this.onEnd((error) => reject(unsent(error)));
      work.then(resolve, reject).finally(off);
    });
  }

  dispose(): void {
    this.#release();
    this.#listeners.clear();
  }

  #end(error: GatewayError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#release();
    for (const listener of [...this.#listeners]) listener(error);
    this.#listeners.clear();
  }
}

/** The same end, for a call of which nothing was sent: time-out then means unreachable, and a retry is safe. */
export function unsent(error: GatewayError): GatewayError {
  return error.code === 'UPSTREAM_TIMEOUT'
    ? new GatewayError('UPSTREAM_UNAVAILABLE', `${error.detail}; nothing was sent`)
    : error;
}
