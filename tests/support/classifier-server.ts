import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a classifier was sent. */
export interface Asked {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: { cmcp_classifier: number; tool: string; texts: { id: number; text: string }[] };
}

/** An external classifier whose answers a test writes. */
export class ClassifierServer {
  readonly asked: Asked[] = [];
  /** How it answers; sends nothing by itself. */
  answer: (response: ServerResponse, asked: Asked) => void = (response) => this.findings(response, []);
  readonly #server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const asked = { method, url, headers, body: JSON.parse(text) };
      this.asked.push(asked);
      this.answer(response, asked);
    });
  });

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  findings(response: ServerResponse, findings: unknown): void {
    this.says(response, JSON.stringify({ findings }));
  }

  says(response: ServerResponse, body: string): void {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
