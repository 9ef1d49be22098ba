import type { Monotonic } from '../session/freshness.ts';

/** A window moves in this many steps. */
const STEPS = 60;
/** Keys of one table; those beyond share one window, so that whoever has many names gains nothing, and memory is bounded (D-06). */
const MAX_KEYS = 16_384;
const BEYOND = '\u0000beyond';

interface Step {
  at: number;
  counts: number[];
}

/** Counts of the last while, in a few columns. What is counted stays for the length of the window and at most one step longer. */
export class SlidingWindow {
  readonly #columns: number;
  readonly #steps: Step[] = [];
  readonly #totals: number[];

  constructor(columns: number) {
    this.#columns = columns;
    this.#totals = new Array<number>(columns).fill(0);
  }

  add(now: number, column: number, amount: number): void {
    let last = this.#steps.at(-1);
    if (last === undefined || last.at < now) {
      last = { at: now, counts: new Array<number>(this.#columns).fill(0) };
      this.#steps.push(last);
    }
    last.counts[column] = (last.counts[column] ?? 0) + amount;
    this.#totals[column] = (this.#totals[column] ?? 0) + amount;
  }

  /** The step in which something was added last. */
  get last(): number {
    return this.#steps.at(-1)?.at ?? 0;
  }

  /** Takes back what was added in that step, unless it is past. */
  takeBack(at: number, column: number, amount: number): void {
    const step = this.#steps.find((each) => each.at === at);
    if (step === undefined) return;
    step.counts[column] = (step.counts[column] ?? 0) - amount;
    this.#totals[column] = (this.#totals[column] ?? 0) - amount;
  }

  total(now: number, column: number): number {
    this.forget(now);
    return this.#totals[column] ?? 0;
  }

  /** Drops what is past. True when nothing is left. */
  forget(now: number): boolean {
    while (this.#steps[0] !== undefined && this.#steps[0].at < now - STEPS) {
      for (const [column, count] of this.#steps[0].counts.entries())
        this.#totals[column] = (this.#totals[column] ?? 0) - count;
      this.#steps.shift();
    }
    return this.#steps.length === 0;
  }

  /** In how many steps from `now` at least `amount` of a column will be past; null: never, there is not that much. */
  freedIn(now: number, column: number, amount: number): number | null {
    let freed = 0;
    for (const { at, counts } of this.#steps) {
      freed += counts[column] ?? 0;
      if (freed >= amount) return at + STEPS + 1 - now;
    }
    return null;
  }
}

/** A window for each of as many keys as there may be. */
export class Windows {
  readonly stepMs: number;
  readonly #columns: number;
  readonly #monotonic: Monotonic;
  readonly #maxKeys: number;
  readonly #windows = new Map<string, SlidingWindow>();
  #swept = Number.NEGATIVE_INFINITY;

  constructor(windowMs: number, columns: number, monotonic: Monotonic, maxKeys = MAX_KEYS) {
    this.stepMs = windowMs / STEPS;
    this.#columns = columns;
    this.#monotonic = monotonic;
    this.#maxKeys = maxKeys;
  }

  /** The step that it is now. */
  get now(): number {
    return Math.floor(this.#monotonic() / this.stepMs);
  }

  get size(): number {
    return this.#windows.size;
  }

  /** The window of a key; where there are too many, the one of all that are beyond. */
  of(key: string): SlidingWindow {
    const known = this.#windows.get(key);
    if (known !== undefined) return known;
    if (this.#windows.size >= this.#maxKeys) this.#sweep();
    const held = this.#windows.size >= this.#maxKeys ? BEYOND : key;
    const window = this.#windows.get(held) ?? new SlidingWindow(this.#columns);
    this.#windows.set(held, window);
    return window;
  }

  /** Counting begins anew. */
  clear(key: string): void {
    if (!this.#windows.delete(key)) this.#windows.delete(BEYOND);
  }

  /** Keys with something in their window. */
  get entries(): [string, SlidingWindow][] {
    return [...this.#windows].filter(([key, window]) => key !== BEYOND && !window.forget(this.now));
  }

  /** Once in a step at most, so that a flood of keys costs nothing. */
  #sweep(): void {
    const { now } = this;
    if (now <= this.#swept) return;
    this.#swept = now;
    for (const [key, window] of this.#windows) if (window.forget(now)) this.#windows.delete(key);
  }
}
