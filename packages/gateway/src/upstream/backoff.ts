import type { MonotonicTimers } from './monotonic.ts';

const FIRST_MS = 250;
const LONGEST_MS = 30_000;
/** A life at least this long counts as healthy. */
const STABLE_MS = 10_000;

/** When a failing thing may be started again: at once after a long life, then in doubling steps (LIFE-12). */
export class Backoff {
  readonly #timers: MonotonicTimers;
  #failures = 0;
  #startedMs = 0;
  #notBeforeMs = 0;
  #release: () => void = () => {};

  constructor(timers: MonotonicTimers) {
    this.#timers = timers;
  }

  started(): void {
    this.#startedMs = this.#timers.nowMs();
  }

  ended(): void {
    const now = this.#timers.nowMs();
    this.#failures = now - this.#startedMs >= STABLE_MS ? 1 : this.#failures + 1;
    const wait = this.#failures === 1 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.#failures - 2));
    this.#notBeforeMs = now + wait;
  }

  get waitMs(): number {
    return Math.max(0, this.#notBeforeMs - this.#timers.nowMs());
  }

  /** Waits until the next start is due, or until {@link release}. */
  due(): Promise<void> {
    if (this.waitMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = this.#timers.after(this.waitMs, resolve);
      this.#release = () => {
        stop();
        resolve();
      };
    });
  }

  /** Ends a wait early: whoever waits has to look whether there is still something to start. */
  release(): void {
    this.#release();
  }
}
