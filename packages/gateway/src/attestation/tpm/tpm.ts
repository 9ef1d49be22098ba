import { randomBytes } from 'node:crypto';
import { systemTimers, type Timers } from '../../timers.ts';
import { orAborted } from './abort.ts';
import type { Tpm, TpmAddress, TpmCommands } from './api.ts';
import { Channel } from './channel.ts';
import { commandsOf } from './commands/all.ts';
import { HANDLES } from './constants.ts';
import { TpmError } from './error.ts';
import { type Random, Sequence } from './sequence.ts';
import type { Transport } from './transport.ts';
import { deviceTransport } from './transport-device.ts';
import { socketTransport } from './transport-socket.ts';

export interface TpmOptions {
  /** For an answer, and for a connection. Default 30 seconds: a slow TPM makes an RSA key in less. */
  commandMs?: number;
  /** For a sequence, its waiting for a turn included. Default two minutes. */
  sequenceMs?: number;
  timers?: Timers;
  /** For nonces. */
  random?: Random;
}

const COMMAND_MS = 30_000;
const SEQUENCE_MS = 120_000;

/**
 * The TPM at `address`. Nothing is opened before the first sequence. At a socket there is no resource manager: each sequence begins by
 * flushing the objects and sessions that it finds loaded, which somebody left behind.
 */
export function openTpm(address: TpmAddress, options: TpmOptions = {}): Tpm {
  const transport =
    address.kind === 'device'
      ? deviceTransport(address.path)
      : socketTransport(address, options.timers ?? systemTimers);
  return tpmOver(transport, options);
}

/** As {@link openTpm}, over any transport. */
export function tpmOver(transport: Transport, options: TpmOptions = {}): Tpm {
  return new SharedTpm(transport, {
    commandMs: options.commandMs ?? COMMAND_MS,
    sequenceMs: options.sequenceMs ?? SEQUENCE_MS,
    timers: options.timers ?? systemTimers,
    random: options.random ?? randomBytes,
  });
}

/** One connection for each sequence, one sequence at a time, in the order in which they were asked for. */
class SharedTpm implements Tpm {
  readonly #transport: Transport;
  readonly #options: Required<TpmOptions>;
  /** Settles when the TPM is free; never rejects. */
  #free: Promise<void> = Promise.resolve();
  /** Those of sequences that wait or run. */
  readonly #running = new Set<AbortController>();
  #closed = false;

  constructor(transport: Transport, options: Required<TpmOptions>) {
    this.#transport = transport;
    this.#options = options;
  }

  async run<T>(work: (commands: TpmCommands) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closed) throw new TpmError('closed', `The TPM at ${this.#transport.place} was let go of`);
    const ending = new AbortController();
    const release = this.#watch(ending, signal);
    try {
      return await orAborted(this.#inTurn(work, ending.signal), ending.signal);
    } finally {
      release();
    }
  }

  /** Ends what waits and what runs, with TpmError `closed`. Resolves when the TPM is free, or has not become so in time. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const ending of this.#running) {
      ending.abort(new TpmError('closed', `The TPM at ${this.#transport.place} was let go of`));
    }
    let stop = () => {};
    const late = new Promise<void>((resolve) => {
      stop = this.#options.timers.after(this.#options.commandMs, resolve);
    });
    await Promise.race([this.#free, late]);
    stop();
  }

  /** Everything that ends a sequence from outside. Gives what stops watching. */
  #watch(ending: AbortController, signal: AbortSignal | undefined): () => void {
    const { timers, sequenceMs } = this.#options;
    const onAbort = () =>
      ending.abort(new TpmError('aborted', 'The TPM is not needed any more', { cause: signal?.reason }));
    const stop = timers.after(sequenceMs, () =>
      ending.abort(new TpmError('timeout', `The TPM was not done with its work within ${sequenceMs / 1000} s`)),
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    this.#running.add(ending);
    return () => {
      this.#running.delete(ending);
      signal?.removeEventListener('abort', onAbort);
      stop();
    };
  }

  #inTurn<T>(work: (commands: TpmCommands) => Promise<T>, signal: AbortSignal): Promise<T> {
    let freed: Promise<void> = Promise.resolve();
    const served = this.#free.then(async () => {
      signal.throwIfAborted();
      const channel = await this.#connect(signal);
      try {
        return await this.#serve(channel, work, signal);
      } finally {
        // The result does not wait for this, but the next sequence does.
        freed = channel.close();
      }
    });
    this.#free = served
      .catch(() => {})
      .then(() => freed)
      .catch(() => {});
    return served;
  }

  async #connect(signal: AbortSignal): Promise<Channel> {
    const { timers, commandMs } = this.#options;
    const late = new AbortController();
    const { place } = this.#transport;
    const stop = timers.after(commandMs, () =>
      late.abort(new TpmError('timeout', `The TPM at ${place} could not be reached within ${commandMs / 1000} s`)),
    );
    try {
      const connection = await this.#transport.connect(AbortSignal.any([signal, late.signal]));
      return new Channel(connection, timers, commandMs);
    } finally {
      stop();
    }
  }

  async #serve<T>(channel: Channel, work: (commands: TpmCommands) => Promise<T>, signal: AbortSignal): Promise<T> {
    const sequence = new Sequence(channel, this.#options.random, signal);
    const commands = commandsOf(sequence);
    try {
      if (!this.#transport.managed) await flushStale(commands);
      return await orAborted(work(commands), signal);
    } finally {
      await sequence.end();
    }
  }
}

/** What others left behind would fill the few slots of a TPM without a resource manager. */
async function flushStale(commands: TpmCommands): Promise<void> {
  const objects = await commands.handles(HANDLES.transient);
  const sessions = await commands.handles(HANDLES.hmacSession);
  for (const handle of [...objects, ...sessions]) await commands.flush(handle);
}
