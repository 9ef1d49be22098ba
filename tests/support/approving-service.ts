import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Inbox } from './inbox.ts';

/** What the callback was asked. */
export interface CallbackAsked {
  headers: IncomingHttpHeaders;
  text: string;
  data: { binding: Record<string, string>; arguments?: unknown };
}

/** An operator's machine that approves calls: a callback as Standard Webhooks has them. */
export class ApprovingService {
  readonly asked = new Inbox<CallbackAsked>();
  readonly #key = randomBytes(32);
  readonly #now: () => number;
  #ids = 0;
  /** How it answers; by default later, elsewhere. */
  answer: (response: ServerResponse, asked: CallbackAsked) => void = (response) => response.writeHead(204).end();
  readonly #server = createServer((incoming, response) => {
    let text = '';
    incoming.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    incoming.on('end', () => {
      const asked = { headers: incoming.headers, text, data: JSON.parse(text).data };
      this.asked.push(asked);
      this.answer(response, asked);
    });
  });

  /** `now`: seconds since the epoch, of whoever it answers. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get secret(): string {
    return `whsec_${this.#key.toString('base64')}`;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/approve`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  /** An answer with the header fields that sign it. */
  signed(approvalId: string, verdict: 'granted' | 'refused'): { body: string; headers: Record<string, string> } {
    this.#ids += 1;
    const [id, at] = [`answer-${this.#ids}`, String(Math.floor(this.#now()))];
    const data = { approval_id: approvalId, verdict, reason: 'by the rules' };
    const body = JSON.stringify({ type: 'approval.answered', data });
    return {
      body,
      headers: { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': this.sign(id, at, body) },
    };
  }

  sign(id: string, at: string, body: string): string {
    return `v1,${createHmac('sha256', this.#key).update(`${id}.${at}.${body}`).digest('base64')}`;
  }

  /** Answers in the response. */
  atOnce(verdict: 'granted' | 'refused'): void {
    this.answer = (response, { data }) => {
      const { body, headers } = this.signed(String(data.binding.approval_id), verdict);
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body);
    };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Posts to a Unix socket, and gives the status. */
export function postTo(
  socketPath: string,
  path: string,
  { body, headers }: { body: string; headers: Record<string, string> },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method: 'POST', path, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
