import { GatewayError } from '../errors.ts';
import type { MonotonicTimers } from './monotonic.ts';

/**
 * The life of one call upstream: it ends when the caller cancels or when its absolute time is over, whichever is first,
 * and nothing that the server sends prolongs it (MCP26-32). Only time in which the server waits for the client's side is
 * not counted.
 */
export class Scope {
  #ended: GatewayError | null = null;
  readonly #listeners = new Set<(error: GatewayError) => void>();
  readonly #timeoutMs: number;
  readonly #timers: MonotonicTimers;
  readonly #signal: AbortSignal;
  readonly #cancel = () => this.fail(new GatewayError('CALL_CANCELLED', 'the caller cancelled'));
  #deadlineMs: number;
  #stopTimer: () => void = () => {};
  #pauses = 0;
  /** What was left when the clock was stopped. */
  #leftMs = 0;

  constructor(signal: AbortSignal, timeoutMs: number, timers: MonotonicTimers) {
    this.#timers = timers;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#deadlineMs = timers.nowMs() + timeoutMs;
    this.#run(timeoutMs);
    signal.addEventListener('abort', this.#cancel, { once: true });
    if (signal.aborted) this.#cancel();
  }

  get ended(): GatewayError | null {
    return this.#ended;
  }

  get remainingMs(): number {
    return this.#pauses > 0 ? this.#leftMs : Math.max(0, this.#deadlineMs - this.#timers.nowMs());
  }

  /** Stops the clock until the returned function is called, by everybody who stopped it. */
  pause(): () => void {
    if (this.#pauses === 0) {
      this.#leftMs = this.remainingMs;
      this.#stopTimer();
    }
    this.#pauses += 1;
    let paused = true;
    return () => {
      if (!paused) return;
      paused = false;
      this.#resume();
    };
  }

  /** Ends the scope for a reason of its own. */
  fail(error: GatewayError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#release();
    for (const listener of [...this.#listeners]) listener(error);
    this.#listeners.clear();
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

  #run(ms: number): void {
    this.#stopTimer = this.#timers.after(ms, () =>
      this.fail(new GatewayError('UPSTREAM_TIMEOUT', `no answer within ${this.#timeoutMs} ms`)),
    );
  }

  #resume(): void {
    this.#pauses -= 1;
    if (this.#pauses > 0 || this.#ended !== null) return;
    this.#deadlineMs = this.#timers.nowMs() + this.#leftMs;
    this.#run(this.#leftMs);
  }

  #release(): void {
    this.#stopTimer();
    this.#signal.removeEventListener('abort', this.#cancel);
  }
}

/** The same end, for a call of which nothing was sent: time-out then means unreachable, and a retry is safe. */
export function unsent(error: GatewayError): GatewayError {
  return error.code === 'UPSTREAM_TIMEOUT'
    ? new GatewayError('UPSTREAM_UNAVAILABLE', `${error.detail}; nothing was sent`)
    : error;
}
