import type { Timers } from '../../timers.ts';
import { TsmError } from './error.ts';

interface Turn {
  /** Resolves when the work has really ended, whether anyone still waits for it or not. */
  begin(): Promise<void>;
  fail(error: TsmError): void;
}

/**
 * Hands a device out to one caller at a time, in the order in which they asked. A caller waits no longer than the device takes for
 * those before it, and never for one that does not answer: when a request gets no answer in time, it fails and so do all that wait
 * behind it. A file call cannot be cancelled, so nothing else is begun until it has come back.
 */
export class Turns {
  readonly #timers: Timers;
  readonly #boundMs: number;
  readonly #waiting: Turn[] = [];
  #current: { stuck: boolean } | null = null;
  #closed = false;

  /** @param boundMs how long one request may take, milliseconds */
  constructor(timers: Timers, boundMs: number) {
    this.#timers = timers;
    this.#boundMs = boundMs;
  }

  /**
   * Runs `work` when it is its turn. `isGivenUp` tells it that nobody waits for its result any more: it then only cleans up.
   *
   * @throws TsmError `timed-out` or `given-up`, and whatever `work` rejects with
   */
  run<T>(work: (isGivenUp: () => boolean) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const refusal = this.#refusal(signal);
    if (refusal !== null) return Promise.reject(refusal);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let open = true;
    const end = (how: () => void): void => {
      if (!open) return;
      open = false;
      signal?.removeEventListener('abort', abort);
      how();
    };
    const fail = (error: unknown): void => end(() => reject(error));
    const abort = (): void => fail(givenUp());
    signal?.addEventListener('abort', abort, { once: true });
    const begin = async (): Promise<void> => {
      if (!open) return;
      await work(() => !open).then((value) => end(() => resolve(value)), fail);
    };
    this.#waiting.push({ begin, fail });
    this.#next();
    return promise;
  }

  /** What waits fails, and nothing new is begun. What is under way ends by itself. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const turn of this.#waiting.splice(0)) turn.fail(closed());
  }

  #refusal(signal: AbortSignal | undefined): TsmError | null {
    if (this.#closed) return closed();
    if (signal?.aborted === true) return givenUp();
    if (this.#current?.stuck !== true) return null;
    return new TsmError(
      'busy',
      'the platform has not come back from an earlier request that it gave no answer to in time',
    );
  }

  #next(): void {
    if (this.#current !== null) return;
    const turn = this.#waiting.shift();
    if (turn === undefined) return;
    const current = { stuck: false };
    this.#current = current;
    const cancel = this.#timers.after(this.#boundMs, () => {
      current.stuck = true;
      const seconds = this.#boundMs / 1000;
      for (const each of [turn, ...this.#waiting.splice(0)]) {
        each.fail(new TsmError('timed-out', `the platform gave no answer within ${seconds} s`));
      }
    });
    void turn.begin().then(() => {
      cancel();
      this.#current = null;
      this.#next();
    });
  }
}

function givenUp(): TsmError {
  return new TsmError('given-up', 'the request was given up by whoever asked');
}

function closed(): TsmError {
  return new TsmError('given-up', 'the provider is closed');
}
