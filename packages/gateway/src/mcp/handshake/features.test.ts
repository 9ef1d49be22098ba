/** Resources, prompts, completion and subscriptions in the handshake revisions, over Streamable HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { failure } from '../../../../../tests/support/fake-governed.ts';
import {
  ALICE,
  type Answered,
  BOB,
  errorOf,
  initialize,
  inSession,
  open,
  type Sent,
  send,
  serve,
  stream,
} from '../../../../../tests/support/ingress.ts';

const ask = (method: string, params: JsonObject = {}) => ({ jsonrpc: '2.0', id: 5, method, params });
const NOTHING = { tools: false, resources: false, prompts: false, completions: false, instructions: null };
const get = (session: string): Sent => ({ ...inSession(session, ''), method: 'GET', body: undefined as never });

test('what is declared is what this caller is offered, and so are the instructions [MCP26-44] [MCP25-18] [LIFE-10]', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.offers.set('alice', { ...NOTHING, prompts: true, completions: true, instructions: 'Use greet.' });
  gateway.offers.set('bob', NOTHING);
  const declared = async (credential: string): Promise<JsonObject> =>
    (await send(port, { ...initialize(), credential })).json.result as JsonObject;
  const alice = await declared(ALICE);
  assert.deepEqual(alice.capabilities, { logging: {}, prompts: { listChanged: true }, completions: {} });
  assert.equal(alice.instructions, 'Use greet.');
  const bob = await declared(BOB);
  assert.deepEqual(bob.capabilities, { logging: {} });
  assert.equal('instructions' in bob, false);
});

test('a list that a caller is not offered is no method, and that is recorded [MCP25-18] [MCP26-44] [LIFE-10]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const methods = ['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list'];
  for (const method of methods) {
    const answer = await send(port, inSession(session, ask(method)));
    assert.deepEqual(
      Object.keys(answer.json.result as JsonObject)[0],
      method.split('/').length === 3 ? 'resourceTemplates' : method.split('/')[0],
    );
  }
  gateway.offers.set('alice', NOTHING);
  for (const method of methods) {
    const answer = await send(port, inSession(session, ask(method)));
    assert.deepEqual([answer.status, errorOf(answer).code], [200, -32601], method);
  }
  assert.deepEqual(
    gateway.refused.map(({ method }) => method),
    methods,
  );
});

test('resources, prompts and completions are asked of the gateway with exactly what was asked [MCP25-18]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' };
  const _meta = { ...trace, baggage: 'secret=1', 'io.cmcp/call': { workflow_id: 'w' } };
  const table: [string, JsonObject, JsonObject][] = [
    ['resources/read', { uri: 'test://doc' }, { uri: 'test://doc' }],
    ['prompts/get', { name: 'greet' }, { name: 'greet', arguments: {} }],
    ['prompts/get', { name: 'greet', arguments: { who: 'me' } }, { name: 'greet', arguments: { who: 'me' } }],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'who', value: 'a' } },
      { ref: { kind: 'prompt', name: 'greet' }, argument: { name: 'who', value: 'a' }, context: {} },
    ],
    [
      'completion/complete',
      {
        ref: { type: 'ref/resource', uri: 'test://doc/{part}' },
        argument: { name: 'part', value: '' },
        context: { arguments: { x: 'y' } },
      },
      {
        ref: { kind: 'resource', uri: 'test://doc/{part}' },
        argument: { name: 'part', value: '' },
        context: { x: 'y' },
      },
    ],
  ];
  for (const [method, params, expected] of table) {
    const answer = await send(port, inSession(session, ask(method, { ...params, _meta })));
    assert.equal(answer.status, 200);
    const { session: ref, caller, handle, round, signal, client, ...seen } = gateway.requests.at(-1) ?? assert.fail();
    assert.deepEqual(seen, { method, workflow: 'w', dataClass: null, approval: null, trace, ...expected });
    assert.deepEqual(
      [ref?.sessionId, caller.subject, handle, round, signal.aborted],
      ['audited-1', 'alice', null, null, false],
    );
    assert.equal(client.ask === null, false);
    assert.deepEqual((answer.json.result as JsonObject)._meta, { 'io.cmcp/call': { call_id: 'call-1' } });
  }
});

test('parameters of the wrong shape are refused in band, not guessed at [D-05]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const ref = { type: 'ref/prompt', name: 'greet' };
  const argument = { name: 'who', value: 'a' };
  const bad: [string, JsonValue][] = [
    ['resources/read', {}],
    ['resources/read', { uri: ['test://doc'] }],
    ['resources/read', { uri: 'test://doc', _meta: 'x' }],
    ['resources/read', { uri: 'test://doc', _meta: { 'io.cmcp/call': { data_class: 1 } } }],
    ['resources/subscribe', { uri: 1 }],
    ['resources/unsubscribe', {}],
    ['resources/list', { cursor: 1 }],
    ['prompts/get', {}],
    ['prompts/get', { name: 'greet', arguments: { who: 1 } }],
    ['prompts/get', { name: 'greet', arguments: null }],
    ['completion/complete', { argument }],
    ['completion/complete', { ref: { type: 'ref/tool', name: 'x' }, argument }],
    ['completion/complete', { ref: { type: 'ref/resource', name: 'x' }, argument }],
    ['completion/complete', { ref, argument: { name: 'who' } }],
    ['completion/complete', { ref, argument, context: [] }],
    ['completion/complete', { ref, argument, context: { arguments: { who: {} } } }],
  ];
  for (const [method, params] of bad) {
    const answer = await send(port, inSession(session, ask(method, params as JsonObject)));
    assert.deepEqual([answer.status, errorOf(answer).code], [200, -32602], `${method} ${JSON.stringify(params)}`);
  }
  assert.equal(gateway.requests.length + gateway.subscriptions.length, 0);
});

test('a resource that nobody approved is -32002 with its URI, a prompt -32602; other codes of a server pass as they are', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const resource = await send(port, inSession(session, ask('resources/read', { uri: 'file:///etc/passwd' })));
  assert.equal(errorOf(resource).code, -32002);
  assert.deepEqual(errorOf(resource).data, {
    error_code: 'RESOURCE_NOT_IN_CATALOG',
    call_id: 'call-1',
    uri: 'file:///etc/passwd',
  });
  const prompt = await send(port, inSession(session, ask('prompts/get', { name: 'nobody' })));
  assert.deepEqual([errorOf(prompt).code, errorOf(prompt).data.error_code], [-32602, 'PROMPT_NOT_IN_CATALOG']);
  gateway.onCall = async () => ({ ...failure('UPSTREAM_TOOL_ERROR'), rpc: -32001 });
  assert.equal(errorOf(await send(port, inSession(session, ask('tools/call', { name: 'echo' })))).code, -32001);
  gateway.onCall = async () => ({ ...failure('CAPABILITY_REQUIRED'), rpc: -32021 });
  const later = await send(port, inSession(session, ask('tools/call', { name: 'echo' })));
  assert.equal(errorOf(later).code, -32000);
});

test('task augmentation is ignored, and its methods do not exist [MCP25-16]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', { tasks: { list: {}, requests: {} } });
  const params = { name: 'echo', arguments: {}, task: { ttl: 60_000 } };
  const answer = await send(port, inSession(session, ask('tools/call', params)));
  assert.ok('content' in (answer.json.result as JsonObject));
  assert.equal('task' in (gateway.calls[0] ?? {}), false);
  for (const method of ['tasks/get', 'tasks/list', 'tasks/cancel', 'tasks/result']) {
    assert.equal(errorOf(await send(port, inSession(session, ask(method, { taskId: 'x' })))).code, -32601);
  }
});

test('who subscribes to a resource hears of its updates until they say otherwise [MCP25-18]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const heard = await stream(port, get(session));
  await heard.block();
  const subscribe = (uri: string): Promise<Answered> =>
    send(port, inSession(session, ask('resources/subscribe', { uri })));
  assert.deepEqual((await subscribe('test://doc')).json.result, {});
  const [first] = gateway.subscriptions;
  assert.deepEqual([first?.uris, first?.session?.sessionId], [['test://doc'], 'audited-1']);
  first?.onUpdated('test://doc');
  const told = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'test://doc' } };
  assert.deepEqual(await heard.next(), told);
  // Asked twice, it is decided twice, and told once.
  await subscribe('test://doc');
  assert.deepEqual(
    gateway.subscriptions.map(({ over }) => over),
    [true, false],
  );
  const refused = await subscribe('file:///etc/passwd');
  assert.deepEqual([errorOf(refused).code, errorOf(refused).data.uri], [-32002, 'file:///etc/passwd']);
  assert.equal(gateway.subscriptions[2]?.over, true);
  const unsubscribe = ask('resources/unsubscribe', { uri: 'test://doc' });
  for (let i = 0; i < 2; i++) assert.deepEqual((await send(port, inSession(session, unsubscribe))).json.result, {});
  assert.equal(gateway.subscriptions[1]?.over, true);
  heard.close();
});

test('subscriptions are bounded, and end with their session [G5] [LIFE-02]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const subscribe = (index: number): Promise<Answered> =>
    send(port, inSession(session, ask('resources/subscribe', { uri: `test://${index}` })));
  for (let i = 0; i < 256; i++) await subscribe(i);
  const refused = await subscribe(256);
  assert.deepEqual([refused.status, errorOf(refused).data.error_code], [503, 'OVERLOADED']);
  assert.deepEqual((await subscribe(0)).json.result, {});
  await send(port, { ...inSession(session, ''), method: 'DELETE' });
  assert.equal(gateway.subscriptions.length, 257);
  assert.ok(gateway.subscriptions.every(({ over }) => over));
});

test('a subscription that is decided after its session ended is ended too [LIFE-02]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const { subscribe } = gateway;
  const [gate, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  gateway.subscribe = async (request) => {
    begun.resolve();
    await gate.promise;
    return await subscribe.call(gateway, request);
  };
  const waiting = send(port, inSession(session, ask('resources/subscribe', { uri: 'test://doc' })));
  await begun.promise;
  const deleted = send(port, { ...inSession(session, ''), method: 'DELETE' });
  // The end of the session waits for what is in flight.
  while ((await send(port, inSession(session, ask('ping')))).status !== 404);
  gate.resolve();
  await Promise.all([waiting, deleted]);
  assert.deepEqual(
    gateway.subscriptions.map(({ over }) => over),
    [true],
  );
});
