import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { type GatewayInFront, startGateway } from './start.ts';

/** Where the clients of the suite get their gateways. */
export interface Desk {
  readonly url: string;
  close(): Promise<void>;
}

const Asked = z.object({ url: z.url() });

/**
 * Starts a gateway for whoever asks for one, all in this process: each scenario runs a client process of its own, and none of
 * those has to load the gateway. What is not given back is closed with the desk.
 */
export async function openDesk(): Promise<Desk> {
  const gateways = new Map<string, GatewayInFront>();
  const answers: Readonly<Record<string, (url: string) => Promise<object>>> = {
    POST: async (url) => {
      const gateway = await startGateway({ url });
      gateways.set(gateway.url.href, gateway);
      return { url: gateway.url.href, headers: { authorization: `Bearer ${gateway.token}` } };
    },
    DELETE: async (url) => {
      const gateway = gateways.get(url);
      gateways.delete(url);
      await gateway?.close();
      return {};
    },
  };
  const answer = async (request: IncomingMessage): Promise<object> =>
    (await answers[request.method ?? '']?.(Asked.parse(await json(request)).url)) ?? {};
  const server = createServer((request, response) => {
    answer(request).then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.all([closed, ...[...gateways.values()].map((gateway) => gateway.close())]);
    },
  };
}
