import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands in front of a gateway for a client that has no credential. */
export interface Relay {
  readonly origin: string;
  /** Where everything goes from now on, and the credential that it goes with. */
  lead(to: URL, token: string): void;
  close(): Promise<void>;
}

/**
 * Adds a credential to every request, and nothing else: host and origin stay the client's, for the gateway to judge. It is there
 * before its gateway, which has to know by what origin it is called.
 */
export async function startRelay(): Promise<Relay> {
  let target: { to: URL; token: string } | null = null;
  const server = createServer((incoming, answer) => {
    if (target === null) return void answer.writeHead(503).end();
    pass(incoming, answer, target);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead: (to, token) => {
      target = { to, token };
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Who goes away at one end is gone at the other: a stream that is not read any more must end. */
function pass(incoming: IncomingMessage, answer: ServerResponse, { to, token }: { to: URL; token: string }): void {
  const { method, url: path, headers } = incoming;
  const { hostname: host, port } = to;
  const onward = request({ host, port, method, path, headers: { ...headers, authorization: `Bearer ${token}` } });
  onward.once('response', (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
    response.once('error', () => answer.destroy());
  });
  onward.once('error', () => answer.destroy());
  answer.once('close', () => onward.destroy());
  incoming.pipe(onward);
}
