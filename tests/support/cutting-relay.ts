import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands before an HTTP server and cuts streams as a bad network does. */
export class CuttingRelay {
  /** Whether to cut a stream right after this piece of it was passed on. */
  cutAfter: (piece: string) => boolean = () => false;
  /** `Last-Event-ID` of those who came back. */
  readonly cameBack: string[] = [];
  readonly #to: URL;
  readonly #server = createServer((incoming, response) => this.#relay(incoming, response));

  constructor(to: URL) {
    this.#to = to;
  }

  async listen(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return new URL(this.#to.pathname, `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #relay(incoming: IncomingMessage, response: ServerResponse): void {
    const last = incoming.headers['last-event-id'];
    if (typeof last === 'string') this.cameBack.push(last);
    const { method, headers } = incoming;
    const sent = request(this.#to, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('data', (piece: Buffer) => {
        const cut = this.cutAfter(piece.toString());
        response.write(piece, () => cut && response.destroy());
        if (cut) sent.destroy();
      });
      answer.on('end', () => response.end());
      answer.on('error', () => response.destroy());
    });
    sent.on('error', () => response.destroy());
    incoming.pipe(sent);
    response.on('close', () => sent.destroy());
  }
}
