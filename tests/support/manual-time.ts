import type { Clock } from '../../packages/gateway/src/clock.ts';
import type { Timers } from '../../packages/gateway/src/timers.ts';

interface Due {
  at: number;
  every: number | null;
  run: () => void;
}

/** A clock and timers that move only when a test says so. */
export class ManualTime implements Clock, Timers {
  #millis = Date.UTC(2026, 0, 1);
  readonly #due = new Set<Due>();

  nowMicros(): number {
    return this.#millis * 1000;
  }

  after(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#millis + ms, every: null, run });
  }

  every(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#millis + ms, every: ms, run });
  }

  /** Moves on by `ms` at once, and runs what has become due, each timer once. */
  advance(ms: number): void {
    this.#millis += ms;
    for (const due of [...this.#due]) {
      if (due.at > this.#millis) continue;
      if (due.every === null) this.#due.delete(due);
      else due.at = this.#millis + due.every;
      due.run();
    }
  }

  /** How many timers wait for time to pass. */
  get waiting(): number {
    return this.#due.size;
  }

  /** Resolves once something waits for time to pass. */
  async waitedFor(): Promise<void> {
    while (this.#due.size === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  #add(due: Due): () => void {
    this.#due.add(due);
    return () => this.#due.delete(due);
  }
}
