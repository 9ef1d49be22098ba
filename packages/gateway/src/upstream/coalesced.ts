import type { MonotonicTimers } from './monotonic.ts';

/** What is passed on at once within a window; the rest of the window's news is passed on together at its end. */
const AT_ONCE = 20;
const WINDOW_MS = 1000;

/**
 * Passes on news of which only the latest of each key matters. A server that floods the gateway with it is heard a bounded
 * number of times a second, and its last word is never lost.
 */
export class Coalesced<K> {
  readonly #timers: MonotonicTimers;
  readonly #deliver: (key: K) => void;
  readonly #late = new Set<K>();
  #stopTimer: () => void = () => {};
  #windowMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(timers: MonotonicTimers, deliver: (key: K) => void) {
    this.#timers = timers;
    this.#deliver = deliver;
  }

  /** The number of different keys must be bounded by whoever calls. */
  add(key: K): void {
    const now = this.#timers.nowMs();
    if (now - this.#windowMs >= WINDOW_MS) {
      this.#windowMs = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count <= AT_ONCE) this.#deliver(key);
    else this.#keep(key);
  }

  close(): void {
    this.#stopTimer();
    this.#late.clear();
  }

  #keep(key: K): void {
    if (this.#late.size === 0) this.#stopTimer = this.#timers.after(WINDOW_MS, () => this.#flush());
    this.#late.add(key);
  }

  #flush(): void {
    const late = [...this.#late];
    this.#late.clear();
    for (const key of late) this.#deliver(key);
  }
}
