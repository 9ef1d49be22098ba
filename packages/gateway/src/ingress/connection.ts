import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FramingWatch } from './framing.ts';

/** What is known of one connection besides its requests. */
export class Connection {
  readonly framing: FramingWatch;
  readonly #socket: Socket;
  readonly #over = new Set<() => void>();

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
}
