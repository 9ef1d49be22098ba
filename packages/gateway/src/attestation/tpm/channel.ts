import type { Timers } from '../../timers.ts';
import { RC } from './constants.ts';
import { TpmError } from './error.ts';
import { answerFrame } from './frame.ts';
import { pause } from './pause.ts';
import type { Connection } from './transport.ts';

/** The TPM is busy with itself and takes the same command later (TPM 2.0 Part 2, section 6.6.3). */
const LATER: readonly number[] = [RC.retry, RC.yielded, RC.testing];
/** Pauses double from the first: about ten seconds altogether, as long as a self-test takes. */
const FIRST_PAUSE_MS = 20;
const MOST_TRIES = 10;

/**
 * A connection that stays in step: one command after another, each answered in time. An answer that is late, or none of a TPM, ends the
 * connection, since what would come next could be the answer to something else.
 */
export class Channel {
  readonly #connection: Connection;
  readonly #timers: Timers;
  readonly #limitMs: number;
  #failure: TpmError | null = null;
  #released: Promise<void> | null = null;

  /** @param limitMs for each answer */
  constructor(connection: Connection, timers: Timers, limitMs: number) {
    this.#connection = connection;
    this.#timers = timers;
    this.#limitMs = limitMs;
  }

  /** Sends a command, again while the TPM says to. Gives a whole answer, of success or refusal. Rejects with TpmError. */
  async transmit(command: Uint8Array, name: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    for (let tries = 1, pauseMs = FIRST_PAUSE_MS; ; tries++, pauseMs *= 2) {
      const answer = await this.#exchange(command, name);
      const { code } = this.#framed(answer, name);
      if (!LATER.includes(code) || tries === MOST_TRIES) return answer;
      await pause(this.#timers, pauseMs, signal);
    }
  }

  /** Lets go of the connection. Resolves when the TPM is free for a next one; idempotent. */
  close(): Promise<void> {
    this.#failure ??= new TpmError('closed', 'The connection to the TPM was let go of');
    this.#released ??= this.#connection.close();
    return this.#released;
  }

  async #exchange(command: Uint8Array, name: string): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#failure !== null) throw this.#failure;
    const answer = this.#connection.exchange(command);
    let stop = () => {};
    const late = new Promise<never>((_, reject) => {
      const seconds = this.#limitMs / 1000;
      stop = this.#timers.after(this.#limitMs, () =>
        reject(new TpmError('timeout', `The TPM did not answer ${name} within ${seconds} s`)),
      );
    });
    try {
      return await Promise.race([answer, late]);
    } catch (error) {
      throw this.#ended(error);
    } finally {
      stop();
    }
  }

  #framed(answer: Uint8Array<ArrayBuffer>, name: string): { code: number } {
    try {
      return answerFrame(answer, name);
    } catch (error) {
      throw this.#ended(error);
    }
  }

  /** After a failure nothing more is sent. The connection is let go of without waiting: a device may still be busy. */
  #ended(error: unknown): unknown {
    if (error instanceof TpmError) this.#failure ??= error;
    this.close().catch(() => {});
    return error;
  }
}
