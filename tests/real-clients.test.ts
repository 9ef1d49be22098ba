import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport as TransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js';
import { startEverythingServer } from './conformance/everything/http.ts';
import { type Family, startOddServer } from './differential/odd-server.ts';
import { TOURS, type Tourist, touristV1, touristV2 } from './support/client-tour.ts';
import { CuttingRelay } from './support/cutting-relay.ts';
import { ALLOW_EVERYTHING, mayAsk, TakenOver } from './support/taken-over.ts';

const FAMILIES: Family[] = ['handshake', 'modern'];

const closing: (() => Promise<void>)[] = [];
const gateways = new Map<Family, { over: TakenOver; url: URL }>();

before(async () => {
  for (const family of FAMILIES) {
    const servers = { everything: await startEverythingServer({ family }), odd: await startOddServer(family) };
    const entries = { everything: { url: servers.everything.url }, odd: { url: servers.odd.url } };
    const amend = (catalog: Parameters<typeof mayAsk>[0]): void => mayAsk(catalog, 'everything');
    const over = await TakenOver.create(entries, { policies: ALLOW_EVERYTHING, amend });
    gateways.set(family, { over, url: await over.start() });
    closing.push(() => over.close(), servers.everything.close, servers.odd.close);
  }
});
after(async () => {
  for (const close of closing) await close();
});

const CLIENTS: Record<string, (url: URL, headers: Record<string, string>) => Promise<Tourist>> = {
  'SDK v1': (url, headers) => touristV1(new HttpV1(url, { requestInit: { headers } }) as TransportV1),
  'SDK v2, handshake': (url, headers) => touristV2(new HttpV2(url, { requestInit: { headers } }), 'handshake'),
  'SDK v2, 2026-07-28': (url, headers) => touristV2(new HttpV2(url, { requestInit: { headers } }), 'modern'),
};

function behind(family: Family): { over: TakenOver; url: URL } {
  const gateway = gateways.get(family);
  assert.ok(gateway !== undefined);
  return gateway;
}

for (const [name, connect] of Object.entries(CLIENTS)) {
  for (const family of FAMILIES) {
    for (const [what, tour] of Object.entries(TOURS)) {
      test(`${name}, servers of the ${family} family: ${what} [ERA-02]`, async () => {
        const { over, url } = behind(family);
        const it = await connect(url, over.headers);
        await tour(it).finally(() => it.close());
      });
    }
  }
}

for (const name of ['SDK v1', 'SDK v2, handshake']) {
  test(`${name}: a stream that is cut during a call is resumed with Last-Event-ID, and nothing is missed or told twice [MCP25-10]`, async () => {
    const { over, url } = behind('modern');
    const relay = new CuttingRelay(url);
    const it = await (CLIENTS[name] ?? assert.fail(name))(await relay.listen(), over.headers);
    try {
      let cuts = 0;
      relay.cutAfter = (piece) => piece.includes('Tool processing data') && cuts++ === 0;
      const logged: unknown[] = [];
      it.heard.on('log', (data) => void logged.push(data));
      assert.deepEqual((await it.callLogged('test_tool_with_logging')).content, [{ type: 'text', text: 'Done.' }]);
      assert.deepEqual(logged, ['Tool execution started', 'Tool processing data', 'Tool execution completed']);
      assert.equal(relay.cameBack.length, 1);
    } finally {
      await it.close();
      await relay.close();
    }
  });
}
