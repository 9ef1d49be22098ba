import type { Clock } from '../clock.ts';
import { sourceNetwork } from './source-network.ts';

const WINDOW_MICROS = 60_000_000;
/** Sources with a window of their own. Those beyond share one: a flood of addresses resets nobody's window (D-06). */
const MAX_SOURCES = 4096;
const BEYOND = 'beyond';

export const RETRY_AFTER_SECONDS = WINDOW_MICROS / 1_000_000;

interface Window {
  startedAt: number;
  attempts: number;
}

/** Counts what somebody without a credential does, per source and minute: an IPv4 address, or a /64 network of IPv6. */
export class AttemptLimit {
  /** In the order in which they began, so that those that are over come first. */
  readonly #windows = new Map<string, Window>();
  readonly #allowed: number;
  readonly #clock: Clock;

  constructor(allowed: number, clock: Clock) {
    this.#allowed = allowed;
    this.#clock = clock;
  }

  /** Windows that are kept. */
  get size(): number {
    return this.#windows.size;
  }

  /** Notes an attempt. True when this source has made too many of late. */
  exceeded(address: string): boolean {
    const now = this.#clock.nowMicros();
    const window = this.#windowOf(sourceNetwork(address), now);
    window.attempts++;
    return window.attempts > this.#allowed;
  }

  #windowOf(source: string, now: number): Window {
    const known = this.#windows.get(source);
    if (known !== undefined && !isOver(known, now)) return known;
    this.#windows.delete(source);
    if (this.#windows.size >= MAX_SOURCES) this.#forget(now);
    if (this.#windows.size < MAX_SOURCES || source === BEYOND) return this.#begin(source, now);
    return this.#windowOf(BEYOND, now);
  }

  #forget(now: number): void {
    for (const [source, window] of this.#windows) {
      if (!isOver(window, now)) return;
      this.#windows.delete(source);
    }
  }

  #begin(source: string, now: number): Window {
    const window = { startedAt: now, attempts: 0 };
    this.#windows.set(source, window);
    return window;
  }
}

/** A clock that was set back ends a window too: it would last longer than its minute. */
function isOver({ startedAt }: Window, now: number): boolean {
  return now < startedAt || now - startedAt >= WINDOW_MICROS;
}
