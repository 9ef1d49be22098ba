/** Resources, prompts, completion, tasks and rounds in 2026-07-28, over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { result as complete, echo, failure } from '../../../../../tests/support/fake-governed.ts';
import {
  type Answered,
  BOB,
  envelope,
  errorOf,
  modern,
  type Sent,
  send,
  serve,
  stream,
} from '../../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { SERVER_INFO } from '../server-info.ts';

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';
const TASKS = { [CAPABILITIES]: { extensions: { 'io.modelcontextprotocol/tasks': {} } } };
const IDENTITY = { 'io.modelcontextprotocol/serverInfo': SERVER_INFO };
const NOTHING = { tools: false, resources: false, prompts: false, completions: false, instructions: null };
const result = (answer: Answered): JsonObject => answer.json.result as JsonObject;
const call = (meta: JsonObject = {}, more: JsonObject = {}): Sent =>
  modern('tools/call', { name: 'echo', ...more, _meta: envelope(meta) });

test('every list has its members and is kept for this caller only [MCP26-22] [MCP26-23]', async (t) => {
  const { port } = await serve(t);
  for (const [method, key] of [
    ['resources/list', 'resources'],
    ['resources/templates/list', 'resourceTemplates'],
    ['prompts/list', 'prompts'],
  ] as const) {
    const { [key]: items, ...rest } = result(await send(port, modern(method)));
    assert.equal((items as JsonObject[]).length, 1);
    assert.deepEqual(rest, { ttlMs: 60_000, cacheScope: 'private', resultType: 'complete', _meta: IDENTITY });
  }
});

test('what is declared is what this caller is offered; a list of the rest is no method [MCP26-21] [MCP26-44] [LIFE-10]', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.offers.set('alice', { ...NOTHING, resources: true, instructions: 'Read test://doc.' });
  gateway.offers.set('bob', NOTHING);
  const alice = result(await send(port, modern('server/discover')));
  const extensions = { 'io.modelcontextprotocol/tasks': {} };
  assert.deepEqual(alice.capabilities, { logging: {}, resources: { subscribe: true, listChanged: true }, extensions });
  assert.equal(alice.instructions, 'Read test://doc.');
  const bob = result(await send(port, { ...modern('server/discover'), credential: BOB }));
  assert.deepEqual([bob.capabilities, 'instructions' in bob], [{ logging: {}, extensions }, false]);
  for (const [method, status] of [
    ['tools/list', 404],
    ['prompts/list', 404],
    ['resources/list', 200],
    ['resources/templates/list', 200],
  ] as const) {
    const answer = await send(port, modern(method));
    assert.equal(answer.status, status, method);
    if (status === 404) assert.equal(errorOf(answer).code, -32601);
  }
  assert.deepEqual(
    gateway.refused.map(({ method }) => method),
    ['tools/list', 'prompts/list'],
  );
});

test('each request is asked of the gateway with exactly what was asked [MCP26-36] [MCP26-42]', async (t) => {
  const { port, gateway } = await serve(t);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const meta = { traceparent, tracestate: 'a=b', baggage: 'secret=1', 'io.cmcp/session': 'handle' };
  const ref = { type: 'ref/prompt', name: 'greet' };
  const argument = { name: 'who', value: 'a' };
  const table: [string, JsonObject, JsonObject][] = [
    ['resources/read', { uri: 'test://doc' }, { uri: 'test://doc' }],
    ['prompts/get', { name: 'greet', arguments: { who: 'me' } }, { name: 'greet', arguments: { who: 'me' } }],
    ['completion/complete', { ref, argument }, { ref: { kind: 'prompt', name: 'greet' }, argument, context: {} }],
    ['tasks/get', { taskId: 't-1' }, { taskId: 't-1' }],
    ['tasks/cancel', { taskId: 't-1' }, { taskId: 't-1' }],
    [
      'tasks/update',
      { taskId: 't-1', inputResponses: { a: { action: 'accept' } } },
      { taskId: 't-1', responses: { a: { action: 'accept' } } },
    ],
  ];
  for (const [method, params, expected] of table) {
    const answer = await send(port, modern(method, { ...params, _meta: envelope({ ...meta, ...TASKS }) }));
    assert.equal(answer.status, 200, method);
    const { caller, signal, client, ...seen } = gateway.requests.at(-1) ?? assert.fail();
    const context = { session: null, handle: 'handle', workflow: null, dataClass: null, approval: null, round: null };
    assert.deepEqual(seen, { method, ...context, trace: { traceparent, tracestate: 'a=b' }, ...expected });
    assert.deepEqual([client.ask, client.logLevel, client.wantsProgress, signal.aborted], [null, null, false, false]);
    assert.equal(result(answer).resultType, 'complete');
    assert.deepEqual(result(answer)._meta, { 'io.cmcp/call': { call_id: 'call-1' }, ...IDENTITY });
  }
});

test('what was read is kept by nobody: each reading is decided [MCP26-23]', async (t) => {
  const { port, gateway } = await serve(t);
  const read = modern('resources/read', { uri: 'test://doc' });
  const { ttlMs, cacheScope } = result(await send(port, read));
  assert.deepEqual([ttlMs, cacheScope], [0, 'private']);
  const got = result(await send(port, modern('prompts/get', { name: 'greet' })));
  assert.deepEqual(['ttlMs' in got, 'cacheScope' in got], [false, false]);
  gateway.onRequest = async () => ({ kind: 'result', type: 'input_required', result: { requestState: 's' } });
  const interim = result(await send(port, read));
  assert.deepEqual(interim, { requestState: 's', resultType: 'input_required', _meta: IDENTITY });
});

test('a resource that nobody approved is -32602 with its URI, and so is a prompt [MCP26-19] [MCP26-38]', async (t) => {
  const { port } = await serve(t);
  const resource = await send(port, modern('resources/read', { uri: 'file:///../etc/passwd' }));
  const { code, data } = errorOf(resource);
  assert.deepEqual([resource.status, code, data.uri], [200, -32602, 'file:///../etc/passwd']);
  const prompt = await send(port, modern('prompts/get', { name: 'nobody' }));
  assert.deepEqual([errorOf(prompt).code, errorOf(prompt).data.error_code], [-32602, 'PROMPT_NOT_IN_CATALOG']);
});

test('what a request says of its client holds for this request alone [MCP26-14] [MCP26-20] [MCP26-28]', async (t) => {
  const { port, gateway } = await serve(t);
  const extensions = { 'io.modelcontextprotocol/tasks': {} };
  await send(port, call({ [CAPABILITIES]: { elicitation: { url: {} }, extensions }, [LOG_LEVEL]: 'error' }));
  await send(port, call());
  const [first, second] = gateway.calls.map(({ client }) => client);
  const able = Object.entries(first?.abilities ?? {}).filter(([, is]) => is);
  assert.deepEqual(
    able.map(([name]) => name),
    ['elicitUrl', 'tasks'],
  );
  assert.ok(Object.values(second?.abilities ?? {}).every((is) => !is));
  assert.deepEqual([first?.logLevel, second?.logLevel], ['error', null]);
});

test('a capability that is needed and was not declared is 400, whoever misses it; no other reserved code of a server passes [MCP26-15] [MCP26-19]', async (t) => {
  const { port, gateway } = await serve(t);
  const requiredCapabilities = { sampling: {} };
  const upstream = { ...failure('UPSTREAM_TOOL_ERROR'), rpc: -32021 };
  for (const outcome of [failure('CAPABILITY_REQUIRED'), upstream]) {
    gateway.onCall = async () => ({ ...outcome, data: { ...outcome.data, requiredCapabilities } });
    const answer = await send(port, call());
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32021]);
    assert.deepEqual(errorOf(answer).data.requiredCapabilities, requiredCapabilities);
  }
  for (const [rpc, code] of [
    [-32602, -32602],
    [-32002, -32602],
    [-32042, 5002],
    [-32020, 5002],
    [-32022, 5002],
    [-32099, 5002],
    [-1, -1],
  ] as const) {
    gateway.onCall = async () => ({ ...failure('UPSTREAM_TOOL_ERROR'), rpc });
    const answer = await send(port, call());
    assert.deepEqual([answer.status, errorOf(answer).code], [200, code], `${rpc}`);
  }
});

test('Mcp-Name repeats the task that is asked about [MCP26-10]', async (t) => {
  const { port, gateway } = await serve(t);
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
    const good = modern(method, { taskId: 't-1', inputResponses: {} });
    for (const name of [undefined, 't-2', 'T-1']) {
      const { 'Mcp-Name': _, ...rest } = good.headers ?? {};
      const answer = await send(port, { ...good, headers: name === undefined ? rest : { ...rest, 'Mcp-Name': name } });
      assert.deepEqual([answer.status, errorOf(answer).code, errorOf(answer).data.header], [400, -32020, 'Mcp-Name']);
    }
  }
  assert.equal(gateway.requests.length, 0);
  for (const params of [{}, { taskId: 1 }, { taskId: 't', inputResponses: [] }, { taskId: 't' }]) {
    assert.equal(errorOf(await send(port, modern('tasks/update', params as JsonObject))).code, -32602);
  }
});

test('a request that comes back brings its answers and its state, where it may come back [MCP26-28] [MCP26-29]', async (t) => {
  const { port, gateway } = await serve(t);
  const inputResponses = { name: { action: 'accept', content: { name: 'x' } } };
  const rounds = async (method: string, params: JsonObject): Promise<unknown> => {
    const answer = await send(port, modern(method, params));
    assert.equal(answer.status, 200);
    return gateway.requests.at(-1)?.round;
  };
  for (const [method, params] of [
    ['tools/call', { name: 'echo' }],
    ['prompts/get', { name: 'greet' }],
    ['resources/read', { uri: 'test://doc' }],
  ] as [string, JsonObject][]) {
    assert.equal(await rounds(method, params), null);
    const both = { ...params, inputResponses, requestState: 's' };
    assert.deepEqual(await rounds(method, both), { responses: inputResponses, state: 's' });
    assert.deepEqual(await rounds(method, { ...params, inputResponses }), { responses: inputResponses, state: null });
    assert.deepEqual(await rounds(method, { ...params, requestState: '' }), { responses: {}, state: '' });
  }
  const ref = { type: 'ref/prompt', name: 'greet' };
  const completion = { ref, argument: { name: 'a', value: 'b' }, inputResponses, requestState: 's' };
  assert.equal(await rounds('completion/complete', completion), null);
});

test('answers and state of the wrong shape or size are refused [MCP26-28] [G5]', async (t) => {
  const { port, gateway } = await serve(t);
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, {}]));
  const bad: JsonObject[] = [
    { inputResponses: null },
    { inputResponses: [] },
    { inputResponses: 'x' },
    { inputResponses: { a: 12345 } },
    { inputResponses: { a: null } },
    { inputResponses: many },
    { requestState: 1 },
    { requestState: {} },
    { requestState: 's'.repeat(262_145) },
  ];
  for (const params of bad) {
    const answer = await send(port, call({}, params));
    assert.deepEqual([answer.status, errorOf(answer).code], [200, -32602], JSON.stringify(params).slice(0, 60));
  }
  assert.equal(gateway.requests.length, 0);
});

test('an interim answer and a task are what they are called, with nothing to keep [MCP26-18] [MCP26-23] [MCP26-28]', async (t) => {
  const { port, gateway } = await serve(t);
  const inputRequests = { name: { method: 'elicitation/create', params: { message: 'm' } } };
  gateway.onCall = async () => ({ kind: 'result', type: 'input_required', result: { inputRequests } });
  assert.deepEqual(result(await send(port, call())), { inputRequests, resultType: 'input_required', _meta: IDENTITY });
  const task = { taskId: 't', status: 'working', ttlMs: null, createdAt: 'x', lastUpdatedAt: 'x' };
  gateway.onCall = async () => ({ kind: 'result', type: 'task', result: task });
  assert.deepEqual(result(await send(port, call())), { ...task, resultType: 'task', _meta: IDENTITY });
});

test('the gateway names itself, whatever a server behind it said, and says itself what a result is [MCP26-18] [MCP26-36]', async (t) => {
  const { port, gateway } = await serve(t);
  const _meta = { 'io.modelcontextprotocol/serverInfo': { name: 'evil', version: '9' }, 'vendor/x': 1 };
  gateway.onCall = async () => complete({ content: [], resultType: 'task', _meta });
  const answer = result(await send(port, call()));
  assert.equal(answer.resultType, 'complete');
  assert.deepEqual(answer._meta, { 'vendor/x': 1, ...IDENTITY });
});

test('what is said of a call precedes its answer on one stream without event ids, and only what was asked for [MCP26-06] [MCP26-25] [MCP26-27] [MCP26-31]', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.onCall = async (each) => {
    each.client.notify({ kind: 'progress', progress: 1, total: null, message: null });
    each.client.notify({ kind: 'log', level: 'info', logger: 'x', data: { a: 1 } });
    each.client.notify({ kind: 'log', level: 'error', logger: 'x', data: { a: 2 } });
    return echo(each);
  };
  const answer = await stream(port, call({ progressToken: 'tok', [LOG_LEVEL]: 'error' }));
  assert.deepEqual([answer.headers['content-type'], answer.headers['x-accel-buffering']], ['text/event-stream', 'no']);
  const events = await answer.rest();
  assert.ok(events.every(({ id, retry }) => id === undefined && retry === undefined));
  assert.deepEqual(
    events.map(({ message }) => [message?.method, message?.params]),
    [
      ['notifications/progress', { progressToken: 'tok', progress: 1 }],
      ['notifications/message', { level: 'error', logger: 'x', data: { a: 2 } }],
      [undefined, undefined],
    ],
  );
  for (const sent of [call(), { ...call({ progressToken: 1, [LOG_LEVEL]: 'debug' }) }]) {
    const headers = { ...sent.headers, Accept: 'application/json' };
    assert.equal((await send(port, { ...sent, headers })).headers['content-type'], 'application/json');
    const { client } = gateway.calls.at(-1) ?? assert.fail();
    assert.deepEqual([client.logLevel, client.wantsProgress], [null, false]);
  }
  assert.equal((await send(port, call())).headers['content-type'], 'application/json');
});

test('closing the stream of a call cancels it, and nothing follows [MCP26-26]', async (t) => {
  const time = new ManualTime();
  const { port, gateway } = await serve(t, { clock: time, timers: time });
  const cancelled = gateway.hang();
  const called = gateway.called();
  const opened = stream(port, modern('tools/call', { name: 'wait' }));
  await called;
  time.advance(15_000);
  const answer = await opened;
  assert.equal(answer.headers['content-type'], 'text/event-stream');
  answer.close();
  assert.equal((await cancelled).name, 'wait');
});

test('an answer that became a stream ends as one, also when it is an error', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.onCall = async (each) => {
    each.client.notify({ kind: 'progress', progress: 1, total: null, message: null });
    return failure('POLICY_DENY');
  };
  const answer = await stream(port, call({ progressToken: 1 }));
  assert.equal((await answer.next())?.method, 'notifications/progress');
  const { id, error } = (await answer.next()) as { id: number; error: { code: number } };
  assert.deepEqual([answer.status, id, error.code], [200, 1, 4002]);
  assert.equal(await answer.next(), null);
});

test('a level that is none is refused on every request that says one [MCP26-31]', async (t) => {
  const { port } = await serve(t);
  for (const method of ['server/discover', 'tools/list', 'tools/call', 'subscriptions/listen']) {
    const params = { name: 'echo', notifications: {}, _meta: envelope({ [LOG_LEVEL]: 'loud' }) };
    assert.equal(errorOf(await send(port, modern(method, params))).code, -32602, method);
  }
});
