import type { Clock } from '../clock.ts';

/** Time since an arbitrary moment that never goes back, in milliseconds. */
export type Monotonic = () => number;

/** When evidence is renewed: with a quarter of its validity left, so that a device may fail for a while. */
const RENEW_AT = 0.75;
/** A device that gave nothing is asked again after this many milliseconds. */
const RETRY_MS = 10_000;
/** A clock that goes back by less is being adjusted, not set (microseconds). */
const STEP_MICROS = 1_000_000;

export interface Moment {
  wallMicros: number;
  monotonicMs: number;
}

interface Evidence extends Moment {
  /** Not asked again before this (monotonic milliseconds). */
  notBefore: number;
}

/**
 * How old the evidence of each open chain is. Judged by both clocks: a wall clock that is set back makes nothing younger, and the
 * time that a machine slept counts.
 */
export class Freshness {
  readonly #clock: Clock;
  readonly #monotonic: Monotonic;
  readonly #validityMs: number;
  readonly #evidence = new Map<string, Evidence>();
  #lastWall: number;
  #lastMonotonic: number;

  constructor(clock: Clock, monotonic: Monotonic, validityMs: number) {
    this.#clock = clock;
    this.#monotonic = monotonic;
    this.#validityMs = validityMs;
    this.#lastWall = clock.nowMicros();
    this.#lastMonotonic = monotonic();
  }

  /** The moment, by both clocks: take it before evidence is asked for. */
  now(): Moment {
    return { wallMicros: this.#clock.nowMicros(), monotonicMs: this.#monotonic() };
  }

  /** A chain was opened with evidence that was asked for at that moment. */
  begun(chainId: string, asked: Moment): void {
    this.#evidence.set(chainId, { ...asked, notBefore: 0 });
  }

  /** The evidence of an open chain was renewed. Nothing happens when the chain has ended meanwhile. */
  renewed(chainId: string, asked: Moment): void {
    if (this.#evidence.has(chainId)) this.begun(chainId, asked);
  }

  ended(chainId: string): void {
    this.#evidence.delete(chainId);
  }

  /** Whether the validity of the chain's evidence has ended. A chain that has none never goes stale. */
  isStale(chainId: string): boolean {
    const evidence = this.#evidence.get(chainId);
    return evidence !== undefined && this.#ageMs(evidence) >= this.#validityMs;
  }

  /** The chains whose evidence is to be renewed now. Each is named once, until {@link renewed} or after a while. */
  due(): string[] {
    const now = this.#monotonic();
    return [...this.#evidence].flatMap(([chainId, evidence]) => {
      if (this.#ageMs(evidence) < this.#validityMs * RENEW_AT || now < evidence.notBefore) return [];
      evidence.notBefore = now + RETRY_MS;
      return [chainId];
    });
  }

  /** By how many microseconds the wall clock went back since this was last asked; 0 when it did not. Then all evidence is due. */
  steppedBack(): number {
    const { wallMicros, monotonicMs } = this.now();
    const expected = this.#lastWall + (monotonicMs - this.#lastMonotonic) * 1000;
    this.#lastWall = wallMicros;
    this.#lastMonotonic = monotonicMs;
    const back = Math.round(expected - wallMicros);
    if (back < STEP_MICROS) return 0;
    // What was made by the clock of before would carry a time that has not come yet.
    for (const evidence of this.#evidence.values()) evidence.monotonicMs -= this.#validityMs * RENEW_AT;
    return back;
  }

  #ageMs({ wallMicros, monotonicMs }: Evidence): number {
    return Math.max(this.#monotonic() - monotonicMs, (this.#clock.nowMicros() - wallMicros) / 1000);
  }
}
