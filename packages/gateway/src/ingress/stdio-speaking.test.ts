/** What the gateway says on a pipe without being asked: notices, asks, changes, subscriptions; and batches. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';
import { echo, result } from '../../../../tests/support/fake-governed.ts';
import { envelope, initialize } from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { type Piped, pipe } from '../../../../tests/support/pipe.ts';
import { SERVER_INFO } from '../mcp/server-info.ts';

const ID = 'io.modelcontextprotocol/subscriptionId';
const CAN: JsonObject = { elicitation: {}, sampling: {}, roots: {} };
const PING = { jsonrpc: '2.0', id: 'p', method: 'ping' };
const call = (id: number | string, meta: JsonObject = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'echo', arguments: {}, _meta: meta },
});
const listen = (id: number | string, notifications: JsonObject) => ({
  jsonrpc: '2.0',
  id,
  method: 'subscriptions/listen',
  params: { _meta: envelope(), notifications },
});
const cancel = (requestId: number | string) => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
});

async function begin({ write, read }: Piped, version?: string): Promise<void> {
  write(initialize(version, CAN).body as JsonValue);
  await read();
}

test('what a server says of a call comes before its answer, with the token as it was given, in both families [MCP26-31] [MCP26-39]', async (t) => {
  const client = pipe(t);
  const { gateway, write, read } = client;
  gateway.onCall = async (each) => {
    each.client.notify({ kind: 'progress', progress: 0.5, total: 1, message: null });
    each.client.notify({ kind: 'log', level: 'debug', logger: 'l', data: 'd' });
    return echo(each);
  };
  await begin(client);
  const told = async (): Promise<unknown[]> => {
    const messages = [await read(), await read(), await read()];
    return messages.map(({ method, params, id }) => [
      method ?? id,
      stringifyJson((params as JsonObject | undefined) ?? null),
    ]);
  };
  write(call(1, { progressToken: '7' }));
  assert.deepEqual(await told(), [
    ['notifications/progress', '{"progressToken":"7","progress":0.5,"total":1}'],
    ['notifications/message', '{"level":"debug","logger":"l","data":"d"}'],
    [1, 'null'],
  ]);
  write(call(2, envelope({ progressToken: 7, 'io.modelcontextprotocol/logLevel': 'debug' })));
  assert.deepEqual(await told(), [
    ['notifications/progress', '{"progressToken":7,"progress":0.5,"total":1}'],
    ['notifications/message', '{"level":"debug","logger":"l","data":"d"}'],
    [2, 'null'],
  ]);
  write(call(3, envelope()));
  assert.equal((await read()).id, 3);
});

test('nothing is said of a call after its answer [MCP26-31] [MCP26-39]', async (t) => {
  const client = pipe(t);
  const { gateway, write, read } = client;
  let late = (): void => {};
  gateway.onCall = async (each) => {
    late = () => each.client.notify({ kind: 'log', level: 'error', logger: null, data: 'late' });
    return echo(each);
  };
  await begin(client);
  for (const meta of [{}, envelope({ 'io.modelcontextprotocol/logLevel': 'debug' })]) {
    write(call(1, meta));
    assert.equal((await read()).id, 1);
    late();
    write(PING);
    assert.equal((await read()).id, 'p');
  }
});

test('a client in a session is asked on the pipe, and its answer goes to who asked [MCP25-11]', async (t) => {
  const client = pipe(t);
  const { gateway, write, read } = client;
  await begin(client);
  gateway.onCall = async (each) => {
    const answer = await each.client.ask?.({ kind: 'list_roots', params: {} }, each.signal);
    return result({ content: [], answer: answer ?? null });
  };
  write(call(1));
  const { id, method } = await read();
  assert.equal(method, 'roots/list');
  write(
    { jsonrpc: '2.0', id: String(id), result: { wrong: true } },
    { jsonrpc: '2.0', id: id ?? null, result: { roots: [] } },
  );
  assert.deepEqual(await read(), { jsonrpc: '2.0', id: 1, result: { content: [], answer: { roots: [] } } });
  // A stateless client is never sent a request.
  write(call(2, envelope()));
  assert.deepEqual((await read()).result, {
    content: [],
    answer: null,
    resultType: 'complete',
    _meta: { 'io.modelcontextprotocol/serverInfo': SERVER_INFO },
  });
});

test('an ask whose call is cancelled is taken back [MCP25-11] [MCP25-13]', async (t) => {
  const client = pipe(t);
  const { gateway, write, read } = client;
  await begin(client);
  gateway.onCall = async (each) => {
    await assert.rejects(each.client.ask?.({ kind: 'sample', params: {} }, each.signal) ?? Promise.resolve());
    return echo(each);
  };
  write(call(1));
  const { id } = await read();
  write(cancel(1));
  assert.deepEqual(await read(), {
    jsonrpc: '2.0',
    method: 'notifications/cancelled',
    params: { requestId: id, reason: 'no longer needed' },
  });
  write(PING);
  assert.equal((await read()).id, 'p');
});

test('changes of lists and resources are told to a session, and to nobody before there is one [LIFE-08]', async (t) => {
  const client = pipe(t);
  const { gateway, write, read, input, done } = client;
  gateway.change('tools');
  await begin(client);
  gateway.change('tools');
  assert.deepEqual(await read(), { jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  write({ jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params: { uri: 'test://a' } });
  assert.deepEqual((await read()).result, {});
  gateway.subscriptions[0]?.onUpdated('test://a');
  assert.deepEqual((await read()).params, { uri: 'test://a' });
  input.end();
  await done;
  assert.deepEqual([gateway.subscriptions[0]?.over, gateway.listening], [true, 0]);
});

test('subscriptions share the pipe and are told apart by their ids, until the client cancels them [MCP26-30] [ATK-20]', async (t) => {
  const { gateway, write, read } = pipe(t);
  write(
    listen(1, { toolsListChanged: true, resourceSubscriptions: ['test://a'] }),
    listen('1', { promptsListChanged: true }),
  );
  const acknowledged = new Map<unknown, unknown>();
  for (let i = 0; i < 2; i++) {
    const { method, params } = (await read()) as {
      method: string;
      params: { _meta: JsonObject; notifications: JsonObject };
    };
    assert.equal(method, 'notifications/subscriptions/acknowledged');
    acknowledged.set(params._meta[ID], params.notifications);
  }
  assert.deepEqual(acknowledged.get(1), { toolsListChanged: true, resourceSubscriptions: ['test://a'] });
  assert.deepEqual(acknowledged.get('1'), { promptsListChanged: true });
  gateway.change('prompts');
  assert.deepEqual((await read()).params, { _meta: { [ID]: '1' } });
  gateway.subscriptions[0]?.onUpdated('test://a');
  assert.deepEqual((await read()).params, { uri: 'test://a', _meta: { [ID]: 1 } });
  write(listen(1, {}));
  const refused = await read();
  assert.deepEqual(['id' in refused, (refused.error as JsonObject).code], [false, -32600]);
  write(cancel(1), PING);
  // Nothing is said of a subscription that was cancelled.
  assert.equal((await read()).id, 'p');
  assert.equal(gateway.subscriptions[0]?.over, true);
  gateway.change('tools');
  write(cancel('1'), call(9, envelope()));
  assert.equal((await read()).id, 9);
});

test('the gateway ends a subscription with its answer and by cancelling it, and does not wait for it at the end [MCP26-30]', async (t) => {
  const time = new ManualTime();
  const stop = new AbortController();
  const { write, read, done } = pipe(t, { time, signal: stop.signal });
  const ended = async (id: number): Promise<void> => {
    const _meta = { 'io.modelcontextprotocol/serverInfo': SERVER_INFO, [ID]: id };
    assert.deepEqual(await read(), { jsonrpc: '2.0', id, result: { resultType: 'complete', _meta } });
    assert.deepEqual(await read(), { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
  };
  write(listen(1, { toolsListChanged: true }));
  await read();
  time.advance(3_600_000);
  await ended(1);
  write(listen(2, { toolsListChanged: true }));
  await read();
  stop.abort();
  await ended(2);
  await done;
});

test('a subscription that is cancelled while it is decided never begins, and its id is free again [MCP26-30]', async (t) => {
  const { gateway, write, read } = pipe(t);
  const { subscribe } = gateway;
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  gateway.subscribe = async (request) => {
    begun.resolve();
    await gate.promise;
    return await subscribe.call(gateway, request);
  };
  write(listen(1, { resourceSubscriptions: ['test://a'] }));
  await begun.promise;
  write(cancel(1), PING);
  assert.equal((await read()).id, 'p');
  gate.resolve();
  while (gateway.subscriptions[0]?.over !== true) await new Promise((resolve) => setImmediate(resolve));
  write(listen(1, { toolsListChanged: true }));
  assert.equal((await read()).method, 'notifications/subscriptions/acknowledged');
});

test('a filter that is wrong and a bound that is reached are answers [MCP26-30] [G5]', async (t) => {
  const { write, read } = pipe(t);
  write(listen(1, { toolsListChanged: 1 }));
  assert.equal(((await read()).error as JsonObject).code, -32602);
  for (let id = 0; id < 64; id++) write(listen(id, { toolsListChanged: true }));
  for (let id = 0; id < 64; id++) assert.equal((await read()).method, 'notifications/subscriptions/acknowledged');
  write(listen('one more', { toolsListChanged: true }));
  const { id, error } = await read();
  assert.deepEqual([id, (error as JsonObject).code], ['one more', 5011]);
});

test('notices are left out for a client that does not read, the answer is not [MCP26-31]', async (t) => {
  const output = new PassThrough({ highWaterMark: 64 });
  const client = pipe(t, { output });
  const { gateway, write, read } = client;
  await begin(client);
  gateway.onCall = async (each) => {
    for (let i = 0; i < 50; i++) {
      each.client.notify({ kind: 'log', level: 'error', logger: null, data: 'x'.repeat(1000) });
    }
    return echo(each);
  };
  write(call(1));
  let notices = 0;
  for (let message = await read(); message.id !== 1; message = await read()) notices += 1;
  assert.equal(notices, 1);
});

test('a batch is answered by one line, in the revision that has them [MCP25-05] [ATK-19]', async (t) => {
  const client = pipe(t);
  const { write, read, gateway } = client;
  write([call(1)]);
  assert.equal(((await read()).error as JsonObject).code, -32600);
  await begin(client, '2025-03-26');
  write([call(1), { jsonrpc: '2.0', method: 'notifications/initialized' }, PING]);
  const answers = (await read()) as unknown as JsonObject[];
  assert.deepEqual(
    answers.map(({ id }) => id),
    [1, 'p'],
  );
  write([], [{ jsonrpc: '2.0', method: 'notifications/initialized' }], PING);
  assert.equal(((await read()).error as JsonObject).code, -32600);
  assert.equal((await read()).id, 'p');
  gateway.hang();
  const called = gateway.called();
  write(call(7));
  await called;
  // On a pipe an error with an id in flight would be taken for its answer.
  write([call(7)]);
  const [answer] = (await read()) as unknown as JsonObject[];
  assert.deepEqual([answer?.id, (answer?.error as JsonObject | undefined)?.code], [undefined, -32600]);
  const later = pipe(t);
  await begin(later, '2025-06-18');
  later.write([PING]);
  assert.equal(((await later.read()).error as JsonObject).code, -32600);
});

test('a notice that JSON cannot carry is a fault and no message [MCP26-39]', async (t) => {
  const client = pipe(t);
  const { gateway, write, read, faults } = client;
  await begin(client);
  gateway.onCall = async (each) => {
    each.client.notify({ kind: 'log', level: 'error', logger: null, data: 0.5 });
    return echo(each);
  };
  write(call(1));
  assert.equal((await read()).id, 1);
  assert.equal(faults.length, 1);
});
