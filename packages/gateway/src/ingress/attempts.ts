import type { Clock } from '../clock.ts';

const WINDOW_MICROS = 60_000_000;
/** Addresses remembered at most; the oldest window is forgotten first (D-06). */
const MAX_ADDRESSES = 4096;

export const RETRY_AFTER_SECONDS = WINDOW_MICROS / 1_000_000;

/** Counts what somebody without a credential does, per address and minute. */
export class AttemptLimit {
  readonly #windows = new Map<string, { startedAt: number; attempts: number }>();
  readonly #allowed: number;
  readonly #clock: Clock;

  constructor(allowed: number, clock: Clock) {
    this.#allowed = allowed;
    this.#clock = clock;
  }

  /** Notes an attempt. True when this address has made too many of late. */
  exceeded(address: string): boolean {
    const now = this.#clock.nowMicros();
    const known = this.#windows.get(address);
    const current = known !== undefined && now - known.startedAt < WINDOW_MICROS ? known : this.#begin(address, now);
    current.attempts++;
    return current.attempts > this.#allowed;
  }

  #begin(address: string, now: number): { startedAt: number; attempts: number } {
    this.#windows.delete(address);
    if (this.#windows.size >= MAX_ADDRESSES) {
      const oldest = this.#windows.keys().next().value;
      if (oldest !== undefined) this.#windows.delete(oldest);
    }
    const window = { startedAt: now, attempts: 0 };
    this.#windows.set(address, window);
    return window;
  }
}
