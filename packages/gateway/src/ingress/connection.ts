import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FramingWatch } from './framing.ts';

/** Requests that wait for the one before them. Who sends more without waiting for an answer is cut off. */
const MAX_WAITING = 64;

/** What is known of one connection besides its requests. */
export class Connection {
  readonly framing: FramingWatch;
  readonly #socket: Socket;
  readonly #over = new Set<() => void>();
  /** Resolves when the last request that came is answered. */
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.framing = FramingWatch.of(socket);
    socket.once('close', () => {
      for (const over of this.#over) over();
    });
  }

  /**
   * Calls `run` once, when an answer is written or cannot be any more. A response that waits behind another one on its connection
   * (pipelining) says nothing of its own when the connection closes.
   */
  whenOver(response: ServerResponse, run: () => void): void {
    const over = (): void => {
      if (this.#over.delete(over)) run();
    };
    this.#over.add(over);
    response.once('close', over);
    if (this.#socket.destroyed || response.destroyed) over();
  }

  /**
   * One request after the other, and none behind an answer that ends the connection: what nobody will be told the outcome of is not
   * begun.
   */
  async inTurn(serve: () => Promise<void>): Promise<void> {
    if (this.#waiting >= MAX_WAITING) this.#socket.destroy();
    if (this.#socket.destroyed) return;
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    this.#waiting += 1;
    await before;
    this.#waiting -= 1;
    try {
      if (!this.#ended && !this.#socket.destroyed) await serve();
    } finally {
      resolve();
    }
  }

  /** Nothing is answered any more behind the answer that is given now. */
  end(): void {
    this.#ended = true;
  }
}
