/** The official clients, where the gateway speaks first: asks, notices, changes, subscriptions, rounds. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { echo, type FakeGovernedGateway, result } from '../../../../tests/support/fake-governed.ts';
import { ALICE, type Served, serve } from '../../../../tests/support/ingress.ts';
import type { Ask } from '../mcp/asks.ts';

const IDENTITY = { name: 'test', version: '1' };
const CAN = { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } };
const headers = { requestInit: { headers: { Authorization: ALICE } } };
const url = ({ port }: Served): URL => new URL(`http://127.0.0.1:${port}/mcp`);
const pinned = { versionNegotiation: { mode: { pin: '2026-07-28' } } } as const;

const ASKS: Ask[] = [
  {
    kind: 'elicit',
    params: { message: 'Name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } },
  },
  {
    kind: 'sample',
    params: { maxTokens: 5, messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }] },
  },
  { kind: 'list_roots', params: {} },
];
const ANSWERS = [
  { action: 'accept', content: { name: 'Ada' } },
  { role: 'assistant', model: 'm', content: { type: 'text', text: 'hello' } },
  { roots: [{ uri: 'file:///work' }] },
] as const;

/** A tool that asks everything, one after the other, and says what it was answered. */
function asking(gateway: FakeGovernedGateway): void {
  gateway.onCall = async (call) => {
    const said: unknown[] = [];
    for (const ask of ASKS) said.push(await call.client.ask?.(ask, call.signal));
    return result({ content: [{ type: 'text', text: JSON.stringify(said) }] });
  };
}

/** What a tool was answered, by what it says. */
function heard(answer: unknown): unknown[] {
  const [block] = (answer as { content: { text: string }[] }).content;
  return JSON.parse(block?.text ?? '');
}

async function clientV1(t: TestContext, served: Served): Promise<ClientV1> {
  const client = new ClientV1(IDENTITY, CAN);
  await client.connect(new HttpV1(url(served), headers) as never);
  t.after(() => client.close());
  return client;
}

test('SDK v1 is asked by a server, and answers [ERA-02] [MCP25-11]', async (t) => {
  const served = await serve(t);
  asking(served.gateway);
  const client = await clientV1(t, served);
  client.setRequestHandler(ElicitRequestSchema, () => ANSWERS[0] as never);
  client.setRequestHandler(CreateMessageRequestSchema, () => ANSWERS[1] as never);
  client.setRequestHandler(ListRootsRequestSchema, () => ANSWERS[2] as never);
  assert.deepEqual(heard(await client.callTool({ name: 'echo', arguments: {} })), ANSWERS);
});

test('SDK v1 hears of progress, logs, changes and updates, and reads what it is offered [ERA-02] [LIFE-08]', async (t) => {
  const served = await serve(t);
  const { gateway } = served;
  const client = await clientV1(t, served);
  const [changed, updated, logged] = [0, 1, 2].map(() => Promise.withResolvers<unknown>());
  assert.ok(changed !== undefined && updated !== undefined && logged !== undefined);
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve(true));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updated.resolve(params.uri));
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => logged.resolve(params.data));
  gateway.onCall = async (call) => {
    call.client.notify({ kind: 'progress', progress: 0.5, total: 1, message: 'half' });
    call.client.notify({ kind: 'log', level: 'info', logger: null, data: 'log line' });
    return echo(call);
  };
  await client.setLoggingLevel('debug');
  const seen: unknown[] = [];
  const onprogress = (progress: unknown): void => void seen.push(progress);
  await client.callTool({ name: 'echo', arguments: {} }, undefined, { onprogress });
  assert.deepEqual(seen, [{ progress: 0.5, total: 1, message: 'half' }]);
  assert.equal(await logged.promise, 'log line');
  await client.subscribeResource({ uri: 'test://doc' });
  // The stream of GET is opened beside what the client does; what is said before it is there is lost.
  const again = setInterval(() => {
    gateway.change('tools');
    gateway.subscriptions[0]?.onUpdated('test://doc');
  }, 5);
  t.after(() => clearInterval(again));
  assert.deepEqual(await Promise.all([changed.promise, updated.promise]), [true, 'test://doc']);
  clearInterval(again);
  await client.unsubscribeResource({ uri: 'test://doc' });
  assert.equal((await client.listResources()).resources[0]?.uri, 'test://doc');
  assert.equal((await client.listResourceTemplates()).resourceTemplates[0]?.uriTemplate, 'test://doc/{part}');
  assert.equal((await client.listPrompts()).prompts[0]?.name, 'greet');
  const { contents } = await client.readResource({ uri: 'test://doc' });
  assert.deepEqual(contents, [{ uri: 'test://doc', text: 'text' }]);
  const { messages } = await client.getPrompt({ name: 'greet', arguments: { who: 'Ada' } });
  assert.deepEqual(messages[0]?.content, { type: 'text', text: 'Hello Ada' });
  const ref = { type: 'ref/prompt', name: 'greet' } as const;
  const { completion } = await client.complete({ ref, argument: { name: 'who', value: 'a' } });
  assert.deepEqual(completion.values, ['a!']);
  await client.sendRootsListChanged();
});

test('SDK v1 takes a schema and content that its revision wraps [ERA-02]', async (t) => {
  const served = await serve(t);
  served.gateway.onCall = async () => result({ content: [], structuredContent: ['a'] });
  const client = await clientV1(t, served);
  const { tools } = await client.listTools({ cursor: '' });
  assert.deepEqual(tools[0]?.outputSchema?.required, ['result']);
  // The client holds the content against the schema that it was shown.
  const { structuredContent } = await client.callTool({ name: 'wait', arguments: {} });
  assert.deepEqual(structuredContent, { result: ['a'] });
});

test('SDK v1 gets the answer of a call whose connection it lost, by resuming [ERA-02] [MCP25-10] [MCP25-13]', async (t) => {
  const served = await serve(t);
  const { gateway } = served;
  const client = await clientV1(t, served);
  const gate = Promise.withResolvers<void>();
  gateway.onCall = async (call) => {
    call.client.notify({ kind: 'progress', progress: 1, total: null, message: null });
    await gate.promise;
    return echo(call);
  };
  const onprogress = (): void => {
    served.ingress.server.closeAllConnections();
    gate.resolve();
  };
  const { content } = await client.callTool({ name: 'echo', arguments: { n: 1 } }, undefined, { onprogress });
  assert.deepEqual(content, [{ type: 'text', text: '{"n":1}' }]);
  assert.equal(gateway.calls.length, 1);
});

test('SDK v2 in a session is asked by a server, and answers [ERA-02] [MCP25-11]', async (t) => {
  const served = await serve(t);
  asking(served.gateway);
  const client = new ClientV2(IDENTITY, CAN);
  answering(client);
  await client.connect(new HttpV2(url(served), headers));
  t.after(() => client.close());
  assert.deepEqual(heard(await client.callTool({ name: 'echo', arguments: {} })), ANSWERS);
});

test('SDK v2 without a session is asked by an interim answer, and comes back with its state [ERA-02] [MCP26-28]', async (t) => {
  const served = await serve(t);
  const { gateway } = served;
  gateway.onCall = async (call) => {
    assert.deepEqual([call.client.ask, call.client.abilities.sample], [null, true]);
    if (call.round !== null) {
      return result({ content: [{ type: 'text', text: JSON.stringify([call.round.responses, call.round.state]) }] });
    }
    const methods = { elicit: 'elicitation/create', sample: 'sampling/createMessage', list_roots: 'roots/list' };
    const inputRequests = Object.fromEntries(ASKS.map(({ kind, params }) => [kind, { method: methods[kind], params }]));
    return { kind: 'result', type: 'input_required', result: { inputRequests, requestState: 'sealed' } };
  };
  const client = new ClientV2(IDENTITY, { ...CAN, ...pinned });
  answering(client);
  await client.connect(new HttpV2(url(served), headers));
  t.after(() => client.close());
  const [elicit, sample, list_roots] = ANSWERS;
  assert.deepEqual(heard(await client.callTool({ name: 'echo', arguments: {} })), [
    { elicit, sample, list_roots },
    'sealed',
  ]);
  assert.equal(gateway.calls.length, 2);
});

test('SDK v2 without a session hears of progress, and listens until either side ends it [ERA-02] [MCP26-30]', async (t) => {
  const served = await serve(t);
  const { gateway, ingress } = served;
  const client = new ClientV2(IDENTITY, pinned);
  await client.connect(new HttpV2(url(served), headers));
  t.after(() => client.close());
  gateway.onCall = async (call) => {
    call.client.notify({ kind: 'progress', progress: 1, total: 2, message: null });
    return echo(call);
  };
  const seen: unknown[] = [];
  const onprogress = (progress: unknown): void => void seen.push(progress);
  await client.callTool({ name: 'echo', arguments: {} }, { onprogress });
  assert.deepEqual(seen, [{ progress: 1, total: 2 }]);
  const [changed, updated] = [Promise.withResolvers<boolean>(), Promise.withResolvers<string>()];
  client.setNotificationHandler('notifications/prompts/list_changed', () => changed.resolve(true));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => updated.resolve(params.uri));
  const filter = { promptsListChanged: true, resourceSubscriptions: ['test://a', 'file:///x'] };
  const subscription = await client.listen(filter);
  assert.deepEqual(subscription.honoredFilter, { promptsListChanged: true, resourceSubscriptions: ['test://a'] });
  gateway.change('prompts');
  gateway.subscriptions[0]?.onUpdated('test://a');
  assert.deepEqual(await Promise.all([changed.promise, updated.promise]), [true, 'test://a']);
  await subscription.close();
  while (gateway.subscriptions[0]?.over !== true) await new Promise((resolve) => setImmediate(resolve));
  const other = await client.listen({ toolsListChanged: true });
  const closed = ingress.close();
  assert.equal(await other.closed, 'graceful');
  await closed;
});

function answering(client: ClientV2): void {
  client.setRequestHandler('elicitation/create', () => ANSWERS[0] as never);
  client.setRequestHandler('sampling/createMessage', () => ANSWERS[1] as never);
  client.setRequestHandler('roots/list', () => ANSWERS[2] as never);
}
