import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { type Front, front, OTHER, objectAt, PERMIT_ALL } from '../support/behaviour.ts';
import { type Answered, envelope, errorOf, initialize, inSession, modern } from '../support/ingress.ts';
import { CAPABILITIES, Peer, type PeerOptions } from '../support/peer.ts';
import { type Received, textResult } from '../support/upstreams.ts';

const TASKS = 'io.modelcontextprotocol/tasks';
const KEY = 'io.modelcontextprotocol/clientCapabilities';
const ABLE = { elicitation: { form: {} }, extensions: { [TASKS]: {} } };
const FORM = { message: 'Who?', requestedSchema: { type: 'object', properties: { who: { type: 'string' } } } };
const TIMES = { createdAt: '2026-07-28T10:00:00Z', lastUpdatedAt: '2026-07-28T10:00:01Z', ttlMs: null };
const OWN_ID = 'task-of-the-server-7';
const task = (status: string, more: JsonObject = {}): JsonObject => ({ taskId: OWN_ID, status, ...TIMES, ...more });

/** A server whose tool makes a task. */
async function tasking(t: Parameters<typeof Peer.listening>[0], more: Partial<PeerOptions> = {}): Promise<Peer> {
  const capabilities = { ...CAPABILITIES, extensions: { [TASKS]: {} } };
  const peer = await Peer.listening(t, { family: '2026-07-28', capabilities, ...more });
  return peer.answer('tools/call', { resultType: 'task', ...task('working') });
}

const ask = (method: string, params: JsonObject, capabilities: JsonObject = ABLE, id = 1) =>
  modern(method, { ...params, _meta: envelope({ [KEY]: capabilities }) }, { id });
const called = (capabilities?: JsonObject) => ask('tools/call', { name: 'echo', arguments: {} }, capabilities);
const resultOf = ({ json }: Answered): JsonObject => (json.result ?? {}) as JsonObject;

async function made(gateway: Front): Promise<string> {
  const result = resultOf(await gateway.send(called()));
  assert.equal(result.resultType, 'task');
  return String(result.taskId);
}

test('a call becomes a task only for a client that declared with it that it knows tasks [B26-801] [B26-802] [B26-804]', async (t) => {
  const peer = await tasking(t);
  const gateway = await front(t, { peer });
  const created = resultOf(await gateway.send(called()));
  assert.deepEqual([created.resultType, created.status, created.ttlMs], ['task', 'working', null]);
  const other = await gateway.send(called({}));
  assert.equal(errorOf(other).data.error_code, 'UPSTREAM_PROTOCOL_ERROR');
  peer.answer('tools/call', textResult('at once') as JsonObject);
  assert.equal(resultOf(await gateway.send(called())).resultType, 'complete');
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  await tasking(t);
  peer.answer('tools/call', { resultType: 'task', ...task('working') });
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  assert.ok('error' in (await gateway.send(inSession(session, body))).json);
  const offered = peer
    .all('tools/call')
    .map(({ message }) => objectAt(objectAt(message.params as JsonObject, '_meta'), KEY).extensions);
  assert.deepEqual(offered, [{ [TASKS]: {} }, undefined, { [TASKS]: {} }, undefined]);
});

test('a task as the answer to anything but a call is no answer [B26-802]', async (t) => {
  const peer = await tasking(t);
  const gateway = await front(t, { peer });
  for (const [method, params] of [
    ['resources/read', { uri: 'note:///one' }],
    ['prompts/get', { name: 'greet', arguments: { who: 'x' } }],
  ] as [string, JsonObject][]) {
    peer.answer(method, { resultType: 'task', ...task('working') });
    assert.equal(errorOf(await gateway.send(ask(method, params))).data.error_code, 'UPSTREAM_PROTOCOL_ERROR');
  }
});

test('who asks for tasks without having declared them is told what is missing, with 400 [B26-803]', async (t) => {
  const peer = await tasking(t);
  const gateway = await front(t, { peer });
  const taskId = await made(gateway);
  const requiredCapabilities = { extensions: { [TASKS]: {} } };
  for (const request of [
    ask('tasks/get', { taskId }, {}),
    ask('tasks/cancel', { taskId }, {}),
    ask('tasks/update', { taskId, inputResponses: {} }, {}),
    ask('subscriptions/listen', { notifications: { taskIds: [taskId] } }, {}),
  ]) {
    const answer = await gateway.send(request);
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32021]);
    assert.deepEqual(errorOf(answer).data.requiredCapabilities, requiredCapabilities);
  }
  for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) assert.equal(peer.all(method).length, 0);
});

test('a task is told of in the state in which its server has it, with what belongs to that state [B26-805] [B26-806] [B26-811]', async (t) => {
  const peer = await tasking(t);
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const taskId = await made(gateway);
  const inputRequests = { q: { method: 'elicitation/create', params: FORM } };
  const failed = { ...(textResult('wrong input') as JsonObject), isError: true };
  for (const state of [
    task('working', { statusMessage: 'busy', pollIntervalMs: 5 }),
    task('input_required', { inputRequests }),
    task('completed', { result: textResult('done') as JsonObject }),
    task('completed', { result: failed }),
    task('failed', { error: { code: -32603, message: 'limit' } }),
    task('cancelled'),
  ]) {
    peer.answer('tasks/get', { resultType: 'complete', ...state });
    const { _meta, ...told } = resultOf(await gateway.send(ask('tasks/get', { taskId })));
    assert.deepEqual(told, { ...state, taskId, resultType: 'complete' });
  }
  for (const broken of [
    task('failed'),
    task('completed'),
    task('sleeping'),
    { ...task('working'), taskId: 'another' },
  ]) {
    peer.answer('tasks/get', { resultType: 'complete', ...broken });
    assert.equal(errorOf(await gateway.send(ask('tasks/get', { taskId }))).data.error_code, 'UPSTREAM_PROTOCOL_ERROR');
  }
});

test('answers to a task, and its cancellation, reach its server as such and are acknowledged with nothing [B26-806] [B26-807] [B26-808] [B26-818]', async (t) => {
  const peer = await tasking(t);
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const taskId = await made(gateway);
  const inputRequests = { q: { method: 'elicitation/create', params: FORM } };
  peer.answer('tasks/get', { resultType: 'complete', ...task('input_required', { inputRequests }) });
  peer.answer('tasks/update', { resultType: 'complete' }).answer('tasks/cancel', { resultType: 'complete' });
  await gateway.send(ask('tasks/get', { taskId }));
  const answer = { action: 'accept', content: { who: 'Ada' } };
  const inputResponses = { q: answer, unasked: answer };
  for (const request of [ask('tasks/update', { taskId, inputResponses }), ask('tasks/cancel', { taskId })]) {
    const { _meta, ...acknowledged } = resultOf(await gateway.send(request));
    assert.deepEqual(acknowledged, { resultType: 'complete' });
  }
  const [update] = peer.all('tasks/update');
  assert.deepEqual(update?.message.params?.inputResponses, { q: answer });
  const [cancel] = peer.all('tasks/cancel');
  assert.deepEqual([cancel?.message.params?.taskId, peer.all('notifications/cancelled').length], [OWN_ID, 0]);
});

test('the header that names a task agrees with the body, in both directions [B26-809]', async (t) => {
  const peer = await tasking(t);
  peer.answer('tasks/get', { resultType: 'complete', ...task('working') });
  const gateway = await front(t, { peer });
  const taskId = await made(gateway);
  assert.ok('result' in (await gateway.send(ask('tasks/get', { taskId }))).json);
  const { headers, message } = peer.all('tasks/get')[0] as Received;
  assert.deepEqual([headers['mcp-method'], headers['mcp-name'], message.params?.taskId], ['tasks/get', OWN_ID, OWN_ID]);
  const { body, headers: sent = {} } = ask('tasks/get', { taskId });
  for (const name of ['another', undefined]) {
    const { 'Mcp-Name': _, ...others } = sent;
    const answer = await gateway.send({
      body: body as JsonObject,
      headers: name === undefined ? others : { ...others, 'Mcp-Name': name },
    });
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32020]);
  }
  assert.equal(peer.all('tasks/get').length, 1);
});

test('the id of a task cannot be guessed, and is nothing to another agent [B26-810] [B26-812] [B26-813] [B26-113]', async (t) => {
  const peer = await tasking(t);
  peer.answer('tasks/get', { resultType: 'complete', ...task('working') });
  const gateway = await front(t, { peer });
  const ids = [await made(gateway), await made(gateway)];
  assert.ok(ids[0] !== ids[1] && ids.every((id) => id.length > 40 && !id.includes(OWN_ID)));
  const refuse = [OWN_ID, 'made up', '', `${ids[0]?.slice(0, -4)}AAAA`];
  for (const taskId of refuse) {
    assert.equal(errorOf(await gateway.send(ask('tasks/get', { taskId }))).code, -32602, taskId);
  }
  for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
    const request = ask(method, { taskId: ids[0] ?? '', inputResponses: {} });
    assert.equal(errorOf(await gateway.send({ ...request, credential: OTHER })).code, -32602);
  }
  assert.equal(peer.all('tasks/get').length, 0);
  peer.fail('tasks/get', { code: -32602, message: 'Task not found' });
  assert.equal(errorOf(await gateway.send(ask('tasks/get', { taskId: ids[0] ?? '' }))).code, -32602);
});

test('a task is there as soon as its client knows of it [B26-816]', async (t) => {
  const peer = await tasking(t);
  peer.answer('tasks/get', { resultType: 'complete', ...task('working') });
  const gateway = await front(t, { peer });
  const ids = await Promise.all([1, 2, 3, 4].map(() => made(gateway)));
  const answers = await Promise.all(ids.map((taskId) => gateway.send(ask('tasks/get', { taskId }))));
  assert.deepEqual(
    answers.map((answer) => resultOf(answer).status),
    ['working', 'working', 'working', 'working'],
  );
});

test('what a task asks is decided like any question: a task is trusted no more than its server [B26-815]', async (t) => {
  const peer = await tasking(t);
  const policies = { ...PERMIT_ALL, 'none.cedar': 'forbid (principal, action == Action::"elicit", resource);' };
  for (const behind of [{ peer, asks: ['elicit'], policies }, { peer }] as Parameters<typeof front>[1][]) {
    const gateway = await front(t, behind);
    const taskId = await made(gateway);
    const inputRequests = { q: { method: 'elicitation/create', params: FORM } };
    peer.answer('tasks/get', { resultType: 'complete', ...task('input_required', { inputRequests }) });
    assert.equal(errorOf(await gateway.send(ask('tasks/get', { taskId }))).data.error_code, 'ASK_REFUSED');
  }
  const secret = { message: 'x', requestedSchema: { type: 'object', properties: { password: { type: 'string' } } } };
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const taskId = await made(gateway);
  const inputRequests = { q: { method: 'elicitation/create', params: secret } };
  peer.answer('tasks/get', { resultType: 'complete', ...task('input_required', { inputRequests }) });
  assert.equal(errorOf(await gateway.send(ask('tasks/get', { taskId }))).data.error_code, 'ASK_REFUSED');
});

test('the experimental tasks of 2025-11-25 are neither offered nor used, and what a client says of them is ignored [B25-801] [B25-802]', async (t) => {
  const tools = [{ name: 'echo', inputSchema: { type: 'object' }, execution: { taskSupport: 'optional' } }];
  const offered = { tools, resources: [], resourceTemplates: [], prompts: [] };
  const capabilities = { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } };
  const peer = await Peer.listening(t, { family: 'handshake', offered, capabilities });
  peer.answer('tools/call', textResult('at once') as JsonObject);
  const gateway = await front(t, { peer });
  const opened = await gateway.send(initialize('2025-11-25', { tasks: { requests: {} } }));
  const session = String(opened.headers['mcp-session-id']);
  assert.equal('tasks' in (resultOf(opened).capabilities as JsonObject), false);
  const params = { name: 'echo', arguments: {}, task: { ttl: 1000 } };
  const answer = await gateway.send(inSession(session, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }));
  assert.ok('content' in resultOf(answer));
  assert.equal('task' in (peer.all('tools/call')[0]?.message.params ?? {}), false);
  assert.equal('tasks' in (peer.all('initialize')[0]?.message.params?.capabilities ?? {}), false);
  const listed = resultOf(await gateway.send(inSession(session, { jsonrpc: '2.0', id: 2, method: 'tools/list' })));
  assert.equal(JSON.stringify(listed).includes('taskSupport'), false);
  const status = await gateway.send(inSession(session, { jsonrpc: '2.0', id: 3, method: 'tasks/list' }));
  assert.equal(errorOf(status).code, -32601);
});
