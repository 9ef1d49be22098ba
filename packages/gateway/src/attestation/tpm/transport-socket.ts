import { connect, type Socket } from 'node:net';
import type { Timers } from '../../timers.ts';
import type { TpmAddress } from './api.ts';
import { TpmError } from './error.ts';
import { HEAD_BYTES } from './frame.ts';
import { pause } from './pause.ts';
import { type Connection, MAX_ANSWER_BYTES, type Transport } from './transport.ts';

/** A Unix socket with a full queue refuses at once (connect(2), EAGAIN), so that asking again is waiting. */
const ASK_AGAIN_MS = 20;

/** A simulator that takes raw commands. There is no resource manager, and it serves one connection at a time. */
export function socketTransport(address: Exclude<TpmAddress, { kind: 'device' }>, timers: Timers): Transport {
  const place = address.kind === 'unix' ? address.path : `${address.host} port ${address.port}`;
  const start = () =>
    connect(
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port, noDelay: true },
    );
  return {
    place,
    managed: false,
    connect: async (signal) => {
      for (;;) {
        const socket = await connected(start(), place, signal);
        if (socket !== 'busy') return new SocketConnection(socket, place);
        await pause(timers, ASK_AGAIN_MS, signal);
      }
    },
  };
}

function connected(socket: Socket, place: string, signal: AbortSignal): Promise<Socket | 'busy'> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('error', onError);
      act();
    };
    const onConnect = () => settle(() => resolve(socket));
    const onError = (cause: NodeJS.ErrnoException) =>
      settle(() => {
        if (cause.code === 'EAGAIN') resolve('busy');
        else reject(new TpmError('transport', `The TPM at ${place} cannot be reached: ${cause.message}`, { cause }));
      });
    const onAbort = () =>
      settle(() => {
        socket.destroy();
        reject(signal.reason);
      });
    socket.once('connect', onConnect).once('error', onError);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

interface Expected {
  resolve: (answer: Uint8Array<ArrayBuffer>) => void;
  reject: (error: TpmError) => void;
}

class SocketConnection implements Connection {
  readonly #socket: Socket;
  readonly #place: string;
  #received = Buffer.alloc(0);
  #expected: Expected | null = null;
  #failure: TpmError | null = null;

  constructor(socket: Socket, place: string) {
    this.#socket = socket;
    this.#place = place;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', (cause) => this.#fail('transport', `failed: ${cause.message}`, cause));
    socket.on('close', () => this.#fail('transport', 'closed the connection'));
  }

  exchange(command: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure);
      this.#expected = { resolve, reject };
      this.#socket.write(command);
    });
  }

  async close(): Promise<void> {
    this.#fail('closed', 'was let go of');
  }

  /** An answer is as long as its header says, in however many pieces it comes. */
  #onData(chunk: Buffer): void {
    const received = Buffer.concat([this.#received, chunk]);
    const size = received.length < HEAD_BYTES ? null : received.readUInt32BE(2);
    if (this.#expected === null) this.#fail('response', 'sent bytes that nobody asked for');
    else if (size !== null && (size < HEAD_BYTES || size > MAX_ANSWER_BYTES)) {
      this.#fail('response', `announced an answer of ${size} bytes`);
    } else if (size !== null && received.length > size) {
      this.#fail('response', `sent more than the ${size} bytes that it announced`);
    } else {
      this.#received = received;
      if (received.length === size) this.#answered(this.#expected);
    }
  }

  #answered({ resolve }: Expected): void {
    const answer = new Uint8Array(this.#received);
    this.#expected = null;
    this.#received = Buffer.alloc(0);
    resolve(answer);
  }

  #fail(code: 'transport' | 'response' | 'closed', what: string, cause?: unknown): void {
    this.#failure ??= new TpmError(code, `The TPM at ${this.#place} ${what}`, { cause });
    this.#expected?.reject(this.#failure);
    this.#expected = null;
    this.#socket.destroy();
  }
}
