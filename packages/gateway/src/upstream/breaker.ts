import { type ErrorCode, GatewayError } from '../errors.ts';
import type { EventLog } from './event-log.ts';
import type { MonotonicTimers } from './monotonic.ts';

/** So many failures in a row, and a server is taken for gone. */
const FAILURES = 8;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/** Ends that say that the server cannot be reached or does not answer. An error that it answers with is an answer. */
const FAILED: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'OUTCOME_UNKNOWN']);
/** Ends that say nothing about the server. */
const SILENT: ReadonlySet<ErrorCode> = new Set(['CALL_CANCELLED', 'INTERNAL_ERROR', 'ARGUMENTS_REFUSED']);

/**
 * Keeps calls from a server that fails them all: after several in a row none is sent for a while, then one to try it
 * (LIFE-03). Each pause is twice as long as the one before.
 */
export class Breaker {
  readonly #timers: MonotonicTimers;
  readonly #log: EventLog;
  #failures = 0;
  #pauseMs = 0;
  #openUntilMs = 0;
  #trying = false;

  constructor(timers: MonotonicTimers, log: EventLog) {
    this.#timers = timers;
    this.#log = log;
  }

  /** @throws GatewayError UPSTREAM_UNAVAILABLE while nothing is to be sent */
  check(): void {
    if (this.#pauseMs > 0 && (this.#trying || this.#timers.nowMs() < this.#openUntilMs)) {
      throw new GatewayError(
        'UPSTREAM_UNAVAILABLE',
        'the server failed several times in a row; nothing is sent for now',
      );
    }
  }

  /** Runs what is sent, and learns from how it ends where that tells something of the server. */
  async run<T>(work: () => Promise<T>, tells: (failed: boolean) => boolean): Promise<T> {
    this.check();
    const trial = this.#pauseMs > 0;
    if (trial) this.#trying = true;
    try {
      const value = await work();
      if (tells(false)) this.#succeeded();
      return value;
    } catch (error) {
      if (error instanceof GatewayError && tells(true)) this.#ended(error, trial);
      throw error;
    } finally {
      if (trial) this.#trying = false;
    }
  }

  #ended({ code }: GatewayError, trial: boolean): void {
    if (FAILED.has(code)) this.#failed(trial);
    else if (!SILENT.has(code)) this.#succeeded();
  }

  #succeeded(): void {
    if (this.#pauseMs > 0) this.#log.write('breaker_closed', 'the server answers again');
    this.#failures = 0;
    this.#pauseMs = 0;
  }

  #failed(trial: boolean): void {
    this.#failures += 1;
    // Calls that were under way when it opened fail too; they say nothing new.
    if (this.#failures < FAILURES || (this.#pauseMs > 0 && !trial)) return;
    this.#pauseMs = this.#pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    this.#openUntilMs = this.#timers.nowMs() + this.#pauseMs;
    this.#log.write('breaker_open', `${this.#failures} failures in a row; nothing is sent for ${this.#pauseMs} ms`);
  }
}
