import { GatewayError } from '../errors.ts';
import type { MonotonicTimers } from './monotonic.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/** Connects again, with growing pauses, for as long as somebody waits for announcements of a server that is gone. */
export class Revival {
  readonly #timers: MonotonicTimers;
  readonly #connect: () => Promise<unknown>;
  readonly #wanted: () => boolean;
  #pauseMs = FIRST_PAUSE_MS;
  #pending = false;
  #closed = false;
  #stopTimer: () => void = () => {};

  constructor(timers: MonotonicTimers, connect: () => Promise<unknown>, wanted: () => boolean) {
    this.#timers = timers;
    this.#connect = connect;
    this.#wanted = wanted;
  }

  /** The connection is gone. */
  start(): void {
    if (this.#pending || this.#closed || !this.#wanted()) return;
    this.#pending = true;
    this.#stopTimer = this.#timers.after(this.#pauseMs, () => void this.#try());
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
  }

  async #try(): Promise<void> {
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    try {
      if (this.#wanted()) await this.#connect();
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#pending = false;
    } catch (error) {
      this.#pending = false;
      if (!(error instanceof GatewayError)) throw error;
      this.start();
    }
  }
}
