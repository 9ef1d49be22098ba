import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import { everythingFactory, lastingFactory } from './factory.ts';
import { Sessions } from './sessions.ts';
import { createShared } from './shared.ts';

/** An everything-server that is listening. */
export interface EverythingServer {
  readonly url: string;
  close(): Promise<void>;
}

/** One family of revisions; a server that speaks no other knows nothing of it. */
export type Family = 'handshake' | 'modern';

export interface EverythingOptions {
  /** Any free one by default. */
  port?: number;
  /** The only one that it speaks; null: both. */
  family?: Family | null;
}

/** Serves everything on one loopback endpoint, to both families of revisions unless it is to speak only one. */
export async function startEverythingServer(options: EverythingOptions = {}): Promise<EverythingServer> {
  const { port = 0, family = null } = options;
  const shared = createShared();
  const modern = createMcpHandler(everythingFactory(shared), { legacy: 'reject', bus: shared.changes });
  const sessions = new Sessions(lastingFactory(shared));
  const serve = toNodeHandler({
    fetch: async (request) => {
      const spoken = family ?? ((await isLegacyRequest(request)) ? 'handshake' : 'modern');
      return spoken === 'handshake' ? sessions.fetch(request) : modern.fetch(request);
    },
  });
  // A page in a browser must not reach it by DNS rebinding.
  const guards = [localhostHostValidation(), localhostOriginValidation()];
  const http = createServer((request, response) => {
    const { method = 'GET', url = '/' } = request;
    if (!guards.every((allows) => allows(request, response))) return;
    if (url !== '/mcp') return void response.writeHead(404).end();
    void serve(Object.assign(request, { method, url }), response);
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    close: async () => {
      shared.tasks.close();
      await Promise.all([modern.close(), sessions.close()]);
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      http.closeAllConnections();
      await closed;
    },
  };
}
