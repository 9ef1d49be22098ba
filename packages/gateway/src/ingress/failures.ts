import type { Clock } from '../clock.ts';

/** Failed attempts that one address may make in a window before it is told to wait. */
const ALLOWED = 20;
const WINDOW_MICROS = 60_000_000;
/** Addresses remembered at most; the oldest window is forgotten first (D-06). */
const MAX_ADDRESSES = 4096;

export const RETRY_AFTER_SECONDS = WINDOW_MICROS / 1_000_000;

/**
 * Counts failed authentication per address. Only failures are limited: a valid credential always passes, because addresses
 * are shared (loopback, proxies), and nobody's failures may lock somebody else out.
 */
export class FailureLimit {
  readonly #windows = new Map<string, { startedAt: number; failures: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a failure. True when this address has failed too often of late. */
  failed(address: string): boolean {
    const now = this.#clock.nowMicros();
    const known = this.#windows.get(address);
    const current = known !== undefined && now - known.startedAt < WINDOW_MICROS ? known : this.#begin(address, now);
    current.failures++;
    return current.failures > ALLOWED;
  }

  #begin(address: string, now: number): { startedAt: number; failures: number } {
    this.#windows.delete(address);
    if (this.#windows.size >= MAX_ADDRESSES) {
      const oldest = this.#windows.keys().next().value;
      if (oldest !== undefined) this.#windows.delete(oldest);
    }
    const window = { startedAt: now, failures: 0 };
    this.#windows.set(address, window);
    return window;
  }
}
