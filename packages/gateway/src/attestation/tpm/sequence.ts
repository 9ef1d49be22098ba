import { readAnswer } from './answer.ts';
import type { AuthSession } from './api.ts';
import type { Channel } from './channel.ts';
import { type Command, marshal } from './command.ts';
import { CC, HANDLES } from './constants.ts';
import { TpmError } from './error.ts';
import { NONCE_BYTES, type OpenSession } from './session.ts';
import { TpmWriter } from './writer.ts';

/** Source of random bytes. */
export type Random = (bytes: number) => Uint8Array;

/** The commands of one sequence: one after another on one channel, with account of what they open. */
export class Sequence {
  readonly #channel: Channel;
  readonly #random: Random;
  readonly #signal: AbortSignal;
  /** Transient objects and sessions that exist because of this sequence. */
  readonly #opened = new Set<number>();
  readonly #sessions = new Map<number, OpenSession>();
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  /** @param signal ends the waiting for a busy TPM; its reason is a TpmError */
  constructor(channel: Channel, random: Random, signal: AbortSignal) {
    this.#channel = channel;
    this.#random = random;
    this.#signal = signal;
  }

  /** A fresh nonce. */
  nonce(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#random(NONCE_BYTES));
  }

  /** Runs a command after those that were asked for before it. Gives the answer's handle and parameters. Rejects with TpmError. */
  execute(command: Command): Promise<Executed> {
    const turn = this.#last.then(() => this.#execute(command));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Remembers a session that {@link execute} opened, so that commands can use it. */
  remember(session: OpenSession): AuthSession {
    this.#sessions.set(session.handle, session);
    return { handle: session.handle };
  }

  /** Removes an object or session from the TPM. */
  async flush(handle: number): Promise<void> {
    const { parameters } = await this.execute(flushCommand(handle));
    readAnswer(parameters, 'FlushContext', () => {});
  }

  /** Flushes what is open, and lets no more commands through. Waits for the one under way; does not reject. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#last;
    for (const handle of this.#opened) {
      // What cannot be flushed goes when the device is closed, or is flushed at the beginning of the next sequence.
      await this.#send(flushCommand(handle), new AbortController().signal).catch(() => {});
    }
  }

  async #execute(command: Command): Promise<Executed> {
    if (this.#ended) throw new TpmError('closed', `${command.name} came after its sequence had ended`);
    for (const each of command.handles ?? [])
      this.#demandOpen(typeof each === 'number' ? each : each.handle, command.name);
    return this.#send(command, this.#signal);
  }

  async #send(command: Command, signal: AbortSignal): Promise<Executed> {
    const { bytes, handleOf, parametersOf } = marshal(command, {
      session: (session, kind) => this.#sessionOf(session, kind),
      nonce: () => this.nonce(),
    });
    const answer = await this.#channel.transmit(bytes, command.name, signal);
    const handle = handleOf(answer);
    if (handle !== null) this.#opens(handle, command.name);
    if (command.flushes !== undefined) this.#closes(command.flushes);
    return { handle: handle ?? 0, parameters: parametersOf(answer) };
  }

  #opens(handle: number, name: string): void {
    if (!isTemporary(handle)) {
      throw new TpmError(
        'response',
        `The TPM answered ${name} with handle 0x${handle.toString(16)}, which is not one of its kind`,
      );
    }
    this.#opened.add(handle);
  }

  #closes(handle: number): void {
    this.#opened.delete(handle);
    this.#sessions.delete(handle);
  }

  /** The handle of an earlier sequence's object may by now be that of another object. */
  #demandOpen(handle: number, name: string): void {
    if (isTemporary(handle) && !this.#opened.has(handle)) {
      throw new TpmError('closed', `${name} uses handle 0x${handle.toString(16)}, which this sequence did not open`);
    }
  }

  #sessionOf({ handle }: AuthSession, kind: OpenSession['kind']): OpenSession {
    const session = this.#sessions.get(handle);
    if (session?.kind !== kind) {
      throw new TpmError('closed', `0x${handle.toString(16)} is no ${kind} session that this sequence opened`);
    }
    return session;
  }
}

export interface Executed {
  /** 0 unless the command opens one. */
  handle: number;
  parameters: Uint8Array<ArrayBuffer>;
}

function isTemporary(handle: number): boolean {
  const range = handle - (handle % 0x0100_0000);
  return range === HANDLES.transient || range === HANDLES.hmacSession || range === HANDLES.policySession;
}

/** The handle is a parameter: it is what is removed, whether or not it is in use. */
function flushCommand(handle: number): Command {
  return {
    name: 'FlushContext',
    code: CC.flushContext,
    parameters: new TpmWriter().u32(handle).done(),
    flushes: handle,
  };
}
