import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { startEverythingServer } from './everything/http.ts';

const PROGRAM = fileURLToPath(new URL('everything-server.ts', import.meta.url));
const WATCHED = 'test://watched-resource';

const FAMILIES = { handshake: 'legacy', '2026-07-28': { pin: '2026-07-28' } } as const;

/** A client that says yes to whatever it is asked. */
function agreeable(mode: (typeof FAMILIES)[keyof typeof FAMILIES]): Client {
  const options: ClientOptions = { capabilities: { elicitation: {} }, versionNegotiation: { mode } };
  const client = new Client({ name: 'test', version: '1' }, options);
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept',
    content: { username: 'ada', email: 'a@b.c' },
  }));
  return client;
}

async function spawned(t: TestContext, family: keyof typeof FAMILIES): Promise<Client> {
  const client = agreeable(FAMILIES[family]);
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [PROGRAM, '--stdio'] }));
  t.after(() => client.close());
  return client;
}

for (const family of ['handshake', '2026-07-28'] as const) {
  test(`over stdio a client of ${family} lists the tools, and is asked by one`, async (t) => {
    const client = await spawned(t, family);
    const { tools } = await client.listTools();
    assert.equal(tools[0]?.name, 'test_simple_text');
    const { content } = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Who?' } });
    const said = 'User response: action=accept, content={"username":"ada","email":"a@b.c"}';
    assert.deepEqual(content, [{ type: 'text', text: said }]);
  });

  test(`over stdio a client of ${family} hears of a resource that it subscribed to, and of no other`, async (t) => {
    const client = await spawned(t, family);
    const heard: string[] = [];
    const updated = new Promise<void>((resolve) => {
      client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
        heard.push(params.uri);
        if (params.uri === WATCHED) resolve();
      });
    });
    if (family === 'handshake') await client.subscribeResource({ uri: WATCHED });
    else await client.listen({ resourceSubscriptions: [WATCHED] });
    for (const uri of ['test://static-text', WATCHED]) {
      await client.callTool({ name: 'test_trigger_resource_update', arguments: { uri } });
    }
    await updated;
    assert.deepEqual(heard, [WATCHED]);
  });
}

test('over HTTP both families are served on one endpoint', async (t) => {
  const server = await startEverythingServer();
  t.after(() => server.close());
  const counts = Object.values(FAMILIES).map(async (mode) => {
    const client = agreeable(mode);
    await client.connect(new StreamableHTTPClientTransport(new URL(server.url)));
    t.after(() => client.close());
    return (await client.listTools()).tools.length;
  });
  const [handshake, modern] = await Promise.all(counts);
  assert.equal(handshake, modern);
});
