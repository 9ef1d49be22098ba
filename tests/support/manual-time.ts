import type { Clock } from '../../packages/gateway/src/clock.ts';
import type { Timers } from '../../packages/gateway/src/timers.ts';

interface Due {
  at: number;
  every: number | null;
  run: () => void;
}

/** Clock and timers that move only when a test says so. */
export class ManualTime implements Clock, Timers {
  #now = 1_700_000_000_000;
  readonly #due = new Set<Due>();

  nowMicros(): number {
    return this.#now * 1000;
  }

  after(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#now + ms, every: null, run });
  }

  every(ms: number, run: () => void): () => void {
    return this.#add({ at: this.#now + ms, every: ms, run });
  }

  /** Moves on by `ms` milliseconds and runs everything that falls due, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = next.at;
      if (next.every === null) this.#due.delete(next);
      else next.at += next.every;
      next.run();
    }
    this.#now = end;
  }

  #add(due: Due): () => void {
    this.#due.add(due);
    return () => this.#due.delete(due);
  }
}
