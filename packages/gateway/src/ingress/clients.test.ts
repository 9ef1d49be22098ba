/** The official clients, at every revision, over both transports. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ALICE, serve } from '../../../../tests/support/ingress.ts';

const IDENTITY = { name: 'test', version: '1' };
const headers = { requestInit: { headers: { Authorization: ALICE } } };
const url = (port: number): URL => new URL(`http://127.0.0.1:${port}/mcp`);
const child = {
  command: process.execPath,
  args: [
    '--conditions=cmcp-source',
    fileURLToPath(new URL('../../../../tests/support/stdio-fake.ts', import.meta.url)),
  ],
};
const pinned = { versionNegotiation: { mode: { pin: '2026-07-28' } } } as const;
const automatic = { versionNegotiation: { mode: 'auto' } } as const;

/** What both generations of clients have in common here. */
interface AnyClient {
  listTools(params?: { cursor?: string }): Promise<{ tools: { name: string }[]; nextCursor?: string | undefined }>;
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** Lists both pages, calls a tool, is refused another one, and asks for something that is not governed. */
async function use(t: TestContext, client: AnyClient & { listPrompts(): Promise<unknown> }): Promise<void> {
  t.after(() => client.close());
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor });
    names.push(...page.tools.map(({ name }) => name));
    cursor = page.nextCursor;
  } while (cursor !== undefined && names.length < 10);
  assert.deepEqual([...new Set(names)], ['echo', 'route', 'wait']);
  const { content, _meta } = await client.callTool({ name: 'echo', arguments: { text: 'grüezi', n: 1 } });
  assert.deepEqual(content, [{ type: 'text', text: '{"text":"grüezi","n":1}' }]);
  assert.deepEqual((_meta as Record<string, unknown>)['io.cmcp/call'], { call_id: 'call-1' });
  const routed = await client.callTool({
    name: 'route',
    arguments: { region: 'Zürich', count: 42, place: { city: 'x' } },
  });
  assert.equal(Array.isArray(routed.content), true);
  await assert.rejects(client.callTool({ name: 'nobody', arguments: {} }), /not in the approved catalog/);
}

test('SDK v1 over HTTP [ERA-02] [D-50] [D-52] [MCP25-03]', async (t) => {
  const { port, gateway } = await serve(t);
  const client = new ClientV1(IDENTITY);
  const transport = new HttpV1(url(port), headers);
  await client.connect(transport as never);
  await use(t, client);
  await client.ping();
  assert.equal(gateway.opened.length, 1);
  await transport.terminateSession();
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'client' }]);
});

for (const [name, options] of [
  ['handshake', {}],
  ['automatic', automatic],
  ['stateless', pinned],
] as const) {
  test(`SDK v2 over HTTP, ${name} [ERA-02] [D-50] [MCP26-21]`, async (t) => {
    const { port, gateway } = await serve(t);
    const client = new ClientV2(IDENTITY, options);
    await client.connect(new HttpV2(url(port), headers));
    await use(t, client as never);
    assert.equal(gateway.opened.length, name === 'handshake' ? 1 : 0);
    assert.equal(gateway.counts.get('discovered') ?? 0, name === 'handshake' ? 0 : 1);
    assert.equal(gateway.counts.get('header_mismatch'), undefined);
  });

  test(`SDK v2 over stdio, ${name} [ERA-02] [D-50]`, async (t) => {
    const client = new ClientV2(IDENTITY, options);
    await client.connect(new StdioV2(child));
    await use(t, client as never);
  });
}

test('SDK v1 over stdio [ERA-02] [D-50] [MCP25-03]', async (t) => {
  const client = new ClientV1(IDENTITY);
  await client.connect(new StdioV1(child));
  await use(t, client);
  await client.ping();
});

test('SDK v1 cancels a call, and the client at the other end learns nothing more of it [MCP25-13]', async (t) => {
  const { port, gateway } = await serve(t);
  const client = new ClientV1(IDENTITY);
  await client.connect(new HttpV1(url(port), headers) as never);
  t.after(() => client.close());
  const cancelled = gateway.hang();
  const called = gateway.called();
  const abort = new AbortController();
  const waiting = client.callTool({ name: 'wait', arguments: {} }, undefined, { signal: abort.signal });
  await called;
  abort.abort();
  await assert.rejects(waiting);
  assert.equal((await cancelled).name, 'wait');
});

test('SDK v2 cancels a stateless call by closing its stream [MCP26-26]', async (t) => {
  const { port, gateway } = await serve(t);
  const client = new ClientV2(IDENTITY, pinned);
  await client.connect(new HttpV2(url(port), headers));
  t.after(() => client.close());
  const cancelled = gateway.hang();
  const called = gateway.called();
  const abort = new AbortController();
  const waiting = client.callTool({ name: 'wait', arguments: {} }, { signal: abort.signal });
  await called;
  abort.abort();
  await assert.rejects(waiting);
  assert.equal((await cancelled).name, 'wait');
});
