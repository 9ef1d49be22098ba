import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { echo, FakeGovernedGateway } from '../../../../../tests/support/fake-governed.ts';
import {
  ALICE,
  BOB,
  errorOf,
  initialize,
  inSession,
  MODERN,
  modern,
  open,
  send,
  serve,
} from '../../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { GatewayError } from '../../errors.ts';
import { McpEndpoint } from '../http.ts';
import type { Reply } from '../reply.ts';

const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };
const LIST = { jsonrpc: '2.0', id: 2, method: 'tools/list' };
const CAPABILITIES = {
  logging: {},
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  completions: {},
};
const call = (name: string, id: number | string = 3) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: { a: 1 } },
});
const cancel = (requestId: number | string) => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
});

/** Opens the GET stream of a session. */
async function listen(port: number, session: string): Promise<IncomingMessage> {
  const headers = { Authorization: ALICE, Accept: 'text/event-stream', 'Mcp-Session-Id': session };
  const request = httpRequest({ port, host: '127.0.0.1', path: '/mcp', agent: false, headers }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  return response;
}

test('initialize opens a session: the spoken revision is echoed, any other gets the latest [MCP25-02] [D-50]', async (t) => {
  const { port } = await serve(t);
  const expected = {
    '2025-11-25': '2025-11-25',
    '2025-06-18': '2025-06-18',
    '2025-03-26': '2025-03-26',
    '2024-11-05': '2025-11-25',
    '2026-07-28': '2025-11-25',
    unknown: '2025-11-25',
  };
  for (const [requested, answered] of Object.entries(expected)) {
    const { status, json } = await send(port, initialize(requested));
    assert.equal(status, 200);
    assert.deepEqual(json.result, {
      protocolVersion: answered,
      capabilities: CAPABILITIES,
      serverInfo: { name: 'cmcp', version: '0.1.0' },
    });
  }
});

test('parameters of initialize that have the wrong shape open nothing', async (t) => {
  const { port, gateway } = await serve(t);
  for (const params of [
    {},
    { protocolVersion: 1 },
    { protocolVersion: '2025-11-25', capabilities: [] },
    { protocolVersion: '2025-11-25', clientInfo: 'x' },
  ]) {
    const answer = await send(port, { body: { jsonrpc: '2.0', id: 1, method: 'initialize', params } });
    assert.equal(errorOf(answer).code, -32602);
    assert.equal(answer.headers['mcp-session-id'], undefined);
  }
  assert.equal(gateway.opened.length, 0);
});

test('before initialize only ping is answered [MCP25-01] [MCP25-04] [MCP25-07]', async (t) => {
  const { port, gateway } = await serve(t);
  assert.deepEqual((await send(port, { body: PING })).json, { jsonrpc: '2.0', id: 1, result: {} });
  for (const body of [
    LIST,
    call('echo'),
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', id: 1, result: {} },
  ]) {
    const answer = await send(port, { body });
    assert.deepEqual([answer.status, errorOf(answer).data.error_code], [400, 'SESSION_REQUIRED']);
  }
  assert.equal(gateway.calls.length, 0);
});

test('a session id is random, printable, and made by us whatever the client brings [MCP25-07] [ATK-30] [B25-313] [B25-322]', async (t) => {
  const { port } = await serve(t);
  const ids = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const answer = await send(port, { ...initialize(), headers: { 'Mcp-Session-Id': 'chosen-by-me' } });
    ids.add(String(answer.headers['mcp-session-id']));
  }
  assert.equal(ids.size, 20);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{43}$/);
  assert.equal((await send(port, inSession('chosen-by-me', LIST))).status, 404);
  const twice = [...ids].slice(0, 2);
  assert.equal((await send(port, { body: LIST, headers: { 'Mcp-Session-Id': twice } })).status, 400);
});

test('a session lists, calls and pings, and its calls are the same as without a session [MCP25-03] [MCP25-04] [ERA-01]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  const initialized = await send(port, inSession(session, { jsonrpc: '2.0', method: 'notifications/initialized' }));
  assert.deepEqual([initialized.status, initialized.text], [202, '']);
  assert.deepEqual((await send(port, inSession(session, PING))).json.result, {});
  const list = (await send(port, inSession(session, LIST))).json.result as JsonObject;
  assert.deepEqual(Object.keys(list), ['tools', 'nextCursor']);
  const answer = await send(port, inSession(session, call('echo')));
  assert.deepEqual(answer.json.result, {
    content: [{ type: 'text', text: '{"a":1}' }],
    _meta: { 'io.cmcp/call': { call_id: 'call-1' } },
  });
  await send(port, modern('tools/call', { name: 'echo', arguments: { a: 1 } }));
  const [stateful, stateless] = gateway.calls;
  assert.deepEqual(stateful?.session, { sessionId: 'audited-1', caller: { subject: 'alice', source: 'bearer' } });
  assert.deepEqual(
    [stateful?.name, stateful?.arguments, stateful?.caller],
    [stateless?.name, stateless?.arguments, stateless?.caller],
  );
  assert.equal(gateway.counts.get('pinged'), 1);
});

test('an array is refused where the revision has no batches [MCP25-05] [ATK-19] [B25-304]', async (t) => {
  const { port } = await serve(t);
  for (const version of ['2025-11-25', '2025-06-18']) {
    const session = await open(port, ALICE, version);
    const answer = await send(port, inSession(session, [PING], { headers: { 'MCP-Protocol-Version': version } }));
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32600]);
  }
  assert.equal((await send(port, { body: [PING] })).status, 400);
});

test('accepted notifications and responses get 202 without a body, others an error without an id [MCP25-03] [B25-305]', async (t) => {
  const { port } = await serve(t);
  const session = await open(port);
  const accepted = [
    'notifications/initialized',
    'notifications/progress',
    'notifications/roots/list_changed',
    'notifications/cancelled',
  ];
  for (const body of [
    ...accepted.map((method) => ({ jsonrpc: '2.0', method })),
    { jsonrpc: '2.0', id: 9, result: {} },
  ]) {
    const answer = await send(port, inSession(session, body));
    assert.deepEqual([answer.status, answer.text], [202, '']);
  }
  const answer = await send(
    port,
    inSession(session, { jsonrpc: '2.0', method: 'tools/call', params: { name: 'echo' } }),
  );
  assert.deepEqual([answer.status, 'id' in answer.json], [400, false]);
});

test('the id of another caller is not found, and that is an event [MCP25-08] [ATK-30] [B25-321]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE);
  for (const sent of [
    inSession(session, call('echo')),
    { ...inSession(session, ''), method: 'GET' },
    { ...inSession(session, ''), method: 'DELETE' },
  ]) {
    const answer = await send(port, { ...sent, credential: BOB });
    assert.deepEqual([answer.status, errorOf(answer).data.error_code], [404, 'SESSION_NOT_FOUND']);
  }
  assert.equal(gateway.calls.length + gateway.ended.length, 0);
  const seen = { action: 'session.foreign', subject: 'bob', detail: { session_id: 'audited-1' } };
  assert.deepEqual(gateway.events, [seen, seen, seen]);
  assert.equal((await send(port, inSession(session, LIST))).status, 200);
  assert.equal((await send(port, { ...inSession(session, LIST), credential: null })).status, 401);
});

test('the version header is absent or the negotiated one [MCP25-09]', async (t) => {
  const { port } = await serve(t);
  const session = await open(port);
  for (const [version, status, code] of [
    ['bogus', 400, 'UNSUPPORTED_VERSION'],
    ['2024-11-05', 400, 'UNSUPPORTED_VERSION'],
    ['2025-03-26', 400, 'HEADER_MISMATCH'],
    ['2025-06-18', 400, 'HEADER_MISMATCH'],
  ] as const) {
    const headers = { 'MCP-Protocol-Version': version };
    for (const sent of [
      inSession(session, LIST, { headers }),
      { ...inSession(session, '', { headers }), method: 'DELETE' },
    ]) {
      const answer = await send(port, sent);
      assert.deepEqual([answer.status, errorOf(answer).data.error_code, errorOf(answer).code], [status, code, -32000]);
    }
  }
  assert.equal((await send(port, { body: LIST, headers: { 'Mcp-Session-Id': session } })).status, 200);
  const headers = { 'MCP-Protocol-Version': 'bogus' };
  assert.equal((await send(port, { ...initialize(), headers })).status, 400);
  const mixed = await send(port, inSession(session, LIST, { headers: { 'MCP-Protocol-Version': MODERN } }));
  assert.deepEqual([mixed.status, errorOf(mixed).code], [400, -32602]);
});

test('a method that is not governed is -32601 and recorded, initialize comes once [MCP26-44] [D-52]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  for (const method of [
    'tasks/list',
    'tasks/get',
    'server/discover',
    'subscriptions/listen',
    'sampling/createMessage',
    '__proto__',
    'foo/bar',
  ]) {
    const answer = await send(port, inSession(session, { jsonrpc: '2.0', id: 4, method }));
    assert.deepEqual([answer.status, errorOf(answer).code], [200, -32601], method);
  }
  assert.equal(gateway.refused.length, 7);
  assert.ok(gateway.refused.every((each) => each.session?.sessionId === 'audited-1'));
});

test('own codes become -32000, standard ones stay', async (t) => {
  const { port } = await serve(t);
  const session = await open(port);
  const denied = await send(port, inSession(session, call('nobody')));
  assert.deepEqual(
    [denied.status, errorOf(denied).code, errorOf(denied).data.error_code],
    [200, -32000, 'TOOL_NOT_IN_CATALOG'],
  );
  const invalid = await send(port, inSession(session, { jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} }));
  assert.deepEqual([invalid.status, errorOf(invalid).code], [200, -32602]);
});

test('a request is cancelled by notification in its own session only, never by the end of its connection [MCP25-13]', async (t) => {
  const { port, gateway } = await serve(t);
  const [mine, other] = [await open(port), await open(port)];
  const cancelled = gateway.hang();
  let called = gateway.called();
  const waiting = send(port, inSession(mine, call('wait', 'c')));
  await called;
  called = gateway.called();
  const abort = new AbortController();
  const dropped = fetch(`http://127.0.0.1:${port}/mcp`, {
    method: 'POST',
    headers: { Authorization: ALICE, 'Content-Type': 'application/json', 'Mcp-Session-Id': mine },
    body: JSON.stringify(call('wait', 'dropped')),
    signal: abort.signal,
  });
  await called;
  abort.abort();
  await assert.rejects(dropped);
  for (const [session, id] of [
    [other, 'c'],
    [mine, 3],
    [mine, 'nothing'],
  ] as const) {
    assert.equal((await send(port, inSession(session, cancel(id)))).status, 202);
  }
  assert.deepEqual(
    gateway.calls.map(({ signal }) => signal.aborted),
    [false, false],
  );
  await send(port, inSession(mine, cancel('c')));
  await cancelled;
  assert.equal(errorOf(await waiting).data.error_code, 'CALL_CANCELLED');
  assert.deepEqual(
    gateway.calls.map(({ signal }) => signal.aborted),
    [true, false],
  );
  await send(port, inSession(mine, cancel('dropped')));
});

test('an id in flight cannot be used again; its type counts [MCP25-14] [ATK-20]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  gateway.hang();
  const called = gateway.called();
  const waiting = send(port, inSession(session, call('wait', 1)));
  await called;
  const again = await send(port, inSession(session, call('echo', 1)));
  assert.deepEqual([again.status, errorOf(again).code, again.json.id], [400, -32600, 1]);
  gateway.onCall = async (each) => echo(each);
  assert.equal((await send(port, inSession(session, call('echo', '1')))).json.id, '1');
  await send(port, inSession(session, cancel(1)));
  await waiting;
  assert.equal((await send(port, inSession(session, call('echo', 1)))).status, 200);
});

test('DELETE ends the session: calls are aborted, the audited session closes, the id is gone [MCP25-07]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  gateway.hang();
  const called = gateway.called();
  const waiting = send(port, inSession(session, call('wait')));
  await called;
  const ended = await send(port, { ...inSession(session, ''), method: 'DELETE' });
  assert.deepEqual([ended.status, ended.text], [204, '']);
  assert.equal(errorOf(await waiting).data.error_code, 'CALL_CANCELLED');
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'client' }]);
  for (const method of ['POST', 'GET', 'DELETE']) {
    assert.equal((await send(port, { ...inSession(session, method === 'POST' ? LIST : ''), method })).status, 404);
  }
});

test('a session that the log cannot open or close is not pretended [G1]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  gateway.endSession = () => Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'disk full'));
  const answer = await send(port, { ...inSession(session, ''), method: 'DELETE' });
  assert.deepEqual([answer.status, errorOf(answer).data.error_code], [503, 'AUDIT_UNAVAILABLE']);
  assert.equal(answer.text.includes('disk'), false);
  gateway.openSession = () => Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'disk full'));
  const opened = await send(port, initialize());
  assert.equal(opened.headers['mcp-session-id'], undefined);
  assert.equal(errorOf(opened).code, -32000);
});

test('GET keeps one stream per session open, with heartbeats, for who accepts one [MCP25-06] [MCP26-27] [B25-308]', async (t) => {
  const timers = new ManualTime();
  const { port } = await serve(t, { timers, clock: timers });
  const session = await open(port);
  const refused = await send(port, {
    ...inSession(session, '', { headers: { Accept: 'application/json' } }),
    method: 'GET',
  });
  assert.equal(refused.status, 406);
  const first = await listen(port, session);
  assert.deepEqual(
    [first.statusCode, first.headers['content-type'], first.headers['x-accel-buffering']],
    [200, 'text/event-stream', 'no'],
  );
  assert.match(String((await once(first, 'data'))[0]), /^: /);
  timers.advance(15_000);
  assert.match(String((await once(first, 'data'))[0]), /^: keep-alive\n\n$/);
  const ended = once(first, 'end');
  const second = await listen(port, session);
  first.resume();
  await ended;
  assert.match(String((await once(second, 'data'))[0]), /^: /);
  const gone = once(second, 'end');
  await send(port, { ...inSession(session, ''), method: 'DELETE' });
  second.resume();
  await gone;
});

test('10 000 sessions that nobody ends stay bounded, and each evicted one ends with reason idle [LIFE-02]', async () => {
  const gateway = new FakeGovernedGateway();
  const time = new ManualTime();
  const sessions = { idleMs: 60_000, maxOpen: 50 };
  const endpoint = new McpEndpoint({
    gateway,
    clock: time,
    timers: time,
    randomBytes,
    sessions,
    onFault: (error) => assert.fail(String(error)),
  });
  const ask = async (subject: string, body: JsonValue, session?: string): Promise<Reply> => {
    const headers = (name: string): string[] => (name === 'mcp-session-id' && session !== undefined ? [session] : []);
    const caller = { subject, source: 'bearer' } as const;
    const answer = await endpoint.post(body, { caller, headers, closed: new AbortController().signal });
    assert.ok('status' in answer);
    return answer;
  };
  const bobs = (await ask('bob', initialize().body as JsonValue)).headers['Mcp-Session-Id'];
  for (let i = 0; i < 10_000; i++) await ask('alice', initialize().body as JsonValue);
  assert.equal(gateway.opened.length, 10_001);
  // Who opens many loses their own: another caller's session is still there.
  assert.equal((await ask('bob', LIST, bobs)).status, 200);
  await endpoint.close();
  assert.equal(gateway.ended.filter(({ reason }) => reason === 'idle').length, 10_001 - 50);
  assert.equal(gateway.ended.filter(({ reason }) => reason === 'shutdown').length, 50);
});

test('an unused session expires; one with a stream or a call does not [LIFE-02]', async (t) => {
  const time = new ManualTime();
  const { port, gateway } = await serve(t, { timers: time, clock: time, sessions: { idleMs: 1000, maxOpen: 10 } });
  const [idle, streaming, calling] = [await open(port), await open(port), await open(port)];
  const stream = await listen(port, streaming);
  gateway.hang();
  const called = gateway.called();
  const waiting = send(port, inSession(calling, call('wait')));
  await called;
  time.advance(5000);
  assert.equal((await send(port, inSession(idle, LIST))).status, 404);
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'idle' }]);
  assert.equal((await send(port, inSession(streaming, LIST))).status, 200);
  await send(port, inSession(calling, cancel(3)));
  await waiting;
  stream.destroy();
});

test('when every session has a call in flight another one is refused, not squeezed in [LIFE-02]', async (t) => {
  const { port, gateway } = await serve(t, { sessions: { idleMs: 1000, maxOpen: 1 } });
  const session = await open(port);
  gateway.hang();
  const called = gateway.called();
  const waiting = send(port, inSession(session, call('wait')));
  await called;
  const refused = await send(port, initialize());
  assert.deepEqual([refused.status, errorOf(refused).data.error_code], [503, 'OVERLOADED']);
  await send(port, inSession(session, cancel(3)));
  await waiting;
  assert.equal((await send(port, initialize())).status, 200);
});

test('more requests in flight than a session may have are refused [G5]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  gateway.hang();
  const waiting = Array.from({ length: 257 }, (_, id) => send(port, inSession(session, call('wait', id))));
  const first = await Promise.race(waiting);
  assert.deepEqual([first.status, errorOf(first).data.error_code], [503, 'OVERLOADED']);
  await send(port, { ...inSession(session, ''), method: 'DELETE' });
  await Promise.all(waiting);
});
