/** Batches, which 2025-03-26 has and no other revision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { echo } from '../../../../../tests/support/fake-governed.ts';
import {
  ALICE,
  type Answered,
  BOB,
  errorOf,
  initialize,
  MODERN,
  open,
  type Sent,
  send,
  serve,
  stream,
} from '../../../../../tests/support/ingress.ts';

const FIRST = '2025-03-26';
const call = (id: number | string, name = 'echo') => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: { id } },
});
const notify = (method: string) => ({ jsonrpc: '2.0', method });
const cancel = (requestId: number) => ({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
/** Clients of this revision send no version header. */
const batch = (session: string, body: JsonValue): Sent => ({ body, headers: { 'Mcp-Session-Id': session } });
const INITIALIZE = initialize().body as JsonValue;
const list = (answer: Answered): JsonObject[] => answer.json as unknown as JsonObject[];

test('each message of a batch goes its own way, and the answers come in the order asked [MCP25-05] [ATK-19] [ATK-20]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, FIRST);
  const ping = { jsonrpc: '2.0', id: '1', method: 'ping' };
  const body = [
    call(1),
    notify('notifications/initialized'),
    ping,
    call('x', 'nobody'),
    { jsonrpc: '2.0', id: 7, result: {} },
  ];
  const answer = await send(port, batch(session, body));
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json']);
  assert.deepEqual(
    list(answer).map(({ id, result, error }) => [id, result !== undefined, (error as JsonObject | undefined)?.code]),
    [
      [1, true, undefined],
      ['1', true, undefined],
      ['x', false, -32000],
    ],
  );
  assert.equal(gateway.calls.length, 2);
});

test('a batch without requests is accepted, or refused for what a client may not send [MCP25-03] [MCP25-05]', async (t) => {
  const { port } = await serve(t);
  const session = await open(port, ALICE, FIRST);
  const response = { jsonrpc: '2.0', id: 7, result: {} };
  for (const body of [
    [response, response],
    [notify('notifications/initialized')],
    [notify('notifications/cancelled'), response],
  ]) {
    const answer = await send(port, batch(session, body));
    assert.deepEqual([answer.status, answer.text], [202, '']);
  }
  for (const body of [[notify('tools/call')], [notify('notifications/initialized'), 1], [[]]]) {
    const answer = await send(port, batch(session, body));
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32600]);
  }
});

test('what is wrong in a batch is answered beside what is right; initialize is not in one [MCP25-01] [MCP25-05]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, FIRST);
  const body = [call(1), INITIALIZE, { jsonrpc: '2.0', id: 2 }, 'x', call(1), { id: 3, method: 'ping' }];
  const codes = list(await send(port, batch(session, body))).map(({ id, error }) => [
    id,
    (error as JsonObject | undefined)?.code,
  ]);
  assert.deepEqual(codes, [
    [1, undefined],
    ['init', -32600],
    [2, -32600],
    [undefined, -32600],
    [1, -32600],
    [3, -32600],
  ]);
  assert.deepEqual([gateway.calls.length, gateway.opened.length], [1, 1]);
});

test('a batch is bounded and not empty, and needs a session of its own caller that has agreed on it [MCP25-05] [MCP25-08] [ATK-19]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, FIRST);
  const later = await open(port, ALICE, '2025-06-18');
  const many = Array.from({ length: 65 }, (_, id) => call(id));
  for (const sent of [
    batch(session, []),
    batch(session, many),
    batch(later, [call(1)]),
    { body: [call(1)] },
    { body: [INITIALIZE] },
    { ...batch(session, [call(1)]), headers: { 'Mcp-Session-Id': session, 'MCP-Protocol-Version': MODERN } },
  ]) {
    const answer = await send(port, sent);
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32600]);
  }
  assert.equal((await send(port, { ...batch(session, [call(1)]), credential: BOB })).status, 404);
  assert.equal(gateway.calls.length, 0);
  assert.equal(list(await send(port, batch(session, many.slice(1)))).length, 64);
});

test('a batch becomes one stream when something precedes an answer, with one answer for each request [MCP25-05]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, FIRST, { sampling: {} });
  gateway.onCall = async (each) => {
    if (each.arguments.id === 1) await each.client.ask?.({ kind: 'sample', params: { messages: [] } }, each.signal);
    return echo(each);
  };
  const answer = await stream(port, batch(session, [call(1), call(2)]));
  const asked = await answer.next();
  assert.equal(asked?.method, 'sampling/createMessage');
  await send(port, batch(session, [{ jsonrpc: '2.0', id: asked?.id ?? null, result: { role: 'assistant' } }]));
  const rest = await answer.rest();
  assert.deepEqual(
    rest.map(({ message }) => message?.id),
    [1, 2],
  );
});

test('a request of a batch that is cancelled is left out of its answer [MCP25-13]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, FIRST);
  const cancelled = gateway.hang();
  const called = gateway.called();
  const answer = send(port, batch(session, [call(1), { jsonrpc: '2.0', id: 2, method: 'ping' }]));
  await called;
  await send(port, batch(session, [cancel(1)]));
  await cancelled;
  assert.deepEqual(
    list(await answer).map(({ id }) => id),
    [2],
  );
});
