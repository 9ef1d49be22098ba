/** `subscriptions/listen` over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import {
  ALICE,
  BOB,
  envelope,
  errorOf,
  modern,
  type OpenStream,
  type Sent,
  send,
  serve,
  stream,
} from '../../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { GatewayError } from '../../errors.ts';
import { SERVER_INFO } from '../server-info.ts';

const ID = 'io.modelcontextprotocol/subscriptionId';
const ALL = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
const listen = (notifications: JsonObject, id: number | string = 1, meta: JsonObject = {}): Sent =>
  modern('subscriptions/listen', { notifications, _meta: envelope(meta) }, { id });
const about = (method: string, id: number | string, params: JsonObject = {}): JsonObject => ({
  jsonrpc: '2.0',
  method,
  params: { ...params, _meta: { [ID]: id } },
});

/** The filter that is honoured. */
async function acknowledged(heard: OpenStream, id: number | string = 1): Promise<unknown> {
  const message = (await heard.next()) ?? assert.fail('the stream ended');
  const { notifications } = message.params as JsonObject;
  assert.deepEqual(
    message,
    about('notifications/subscriptions/acknowledged', id, { notifications: notifications ?? null }),
  );
  return notifications;
}

test('a subscription is acknowledged first, and every message names it with the type of its id [MCP26-30] [ATK-20]', async (t) => {
  const { port, gateway } = await serve(t);
  for (const id of [7, '7']) {
    const heard = await stream(
      port,
      listen({ ...ALL, resourceSubscriptions: ['test://a', 'test://a', 'test://b'] }, id),
    );
    assert.deepEqual(
      [heard.status, heard.headers['content-type'], heard.headers['x-accel-buffering']],
      [200, 'text/event-stream', 'no'],
    );
    assert.deepEqual(await acknowledged(heard, id), { ...ALL, resourceSubscriptions: ['test://a', 'test://b'] });
    gateway.change('resources');
    assert.deepEqual(await heard.next(), about('notifications/resources/list_changed', id));
    gateway.subscriptions.at(-1)?.onUpdated('test://b');
    assert.deepEqual(await heard.next(), about('notifications/resources/updated', id, { uri: 'test://b' }));
    heard.close();
  }
});

test('only what was asked for and may be had is honoured and told [MCP26-30] [LIFE-10]', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.offers.set('alice', { tools: true, resources: true, prompts: false, completions: false, instructions: null });
  const table: [JsonObject, JsonObject][] = [
    [{}, {}],
    [{ toolsListChanged: false, unknownChanged: true }, {}],
    [ALL, { toolsListChanged: true, resourcesListChanged: true }],
    [{ toolsListChanged: true }, { toolsListChanged: true }],
    [{ resourceSubscriptions: ['file:///x', 'test://a'] }, { resourceSubscriptions: ['test://a'] }],
    [{ resourceSubscriptions: ['file:///x'] }, {}],
    [{ resourceSubscriptions: [] }, {}],
  ];
  for (const [asked, honoured] of table) {
    const heard = await stream(port, listen(asked));
    assert.deepEqual(await acknowledged(heard), honoured, JSON.stringify(asked));
    for (const kind of ['prompts', 'tools'] as const) gateway.change(kind);
    const told = 'toolsListChanged' in honoured ? await heard.next() : null;
    if (told !== null) assert.equal(told.method, 'notifications/tools/list_changed');
    heard.close();
  }
  assert.deepEqual(
    gateway.subscriptions.map(({ uris }) => uris),
    [['file:///x', 'test://a'], ['file:///x']],
  );
});

test('what happens before the acknowledgement is told after it, once [MCP26-30]', async (t) => {
  const { port, gateway } = await serve(t);
  const { subscribe } = gateway;
  gateway.subscribe = async (request) => {
    for (let i = 0; i < 3; i++) {
      request.onUpdated('test://a');
      gateway.change('tools');
      gateway.change('prompts');
    }
    return await subscribe.call(gateway, request);
  };
  const heard = await stream(port, listen({ toolsListChanged: true, resourceSubscriptions: ['test://a'] }));
  await acknowledged(heard);
  assert.equal((await heard.next())?.method, 'notifications/resources/updated');
  assert.equal((await heard.next())?.method, 'notifications/tools/list_changed');
  gateway.change('tools');
  assert.equal((await heard.next())?.method, 'notifications/tools/list_changed');
  heard.close();
});

test('closing the stream ends the subscription [MCP26-26] [MCP26-30]', async (t) => {
  const { port, gateway } = await serve(t);
  const ended = Promise.withResolvers<void>();
  const { subscribe } = gateway;
  gateway.subscribe = async (request) => {
    const { end, ...rest } = await subscribe.call(gateway, request);
    return {
      ...rest,
      end() {
        end();
        ended.resolve();
      },
    };
  };
  const heard = await stream(port, listen({ resourceSubscriptions: ['test://a'] }));
  await acknowledged(heard);
  heard.close();
  await ended.promise;
  assert.equal(gateway.subscriptions[0]?.over, true);
  assert.equal(gateway.subscriptions[0]?.signal.aborted, true);
});

test('a subscription whose client went away while it was decided does not begin', async (t) => {
  const { port, gateway } = await serve(t);
  const { subscribe } = gateway;
  const [begun, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  gateway.subscribe = async (request) => {
    begun.resolve();
    request.signal.addEventListener('abort', () => gone.resolve());
    await gone.promise;
    return await subscribe.call(gateway, request);
  };
  const abort = new AbortController();
  const sent = listen({ resourceSubscriptions: ['test://a'] });
  const headers = {
    ...(sent.headers as Record<string, string>),
    Authorization: ALICE,
    'Content-Type': 'application/json',
  };
  const url = `http://127.0.0.1:${port}/mcp`;
  const asked = fetch(url, { method: 'POST', headers, body: JSON.stringify(sent.body), signal: abort.signal });
  await begun.promise;
  abort.abort();
  await assert.rejects(asked);
  await gone.promise;
  while (gateway.subscriptions[0]?.over !== true) await new Promise((resolve) => setImmediate(resolve));
});

test('the gateway ends a subscription with its answer, when it is old and when the listener closes [MCP26-30]', async (t) => {
  const time = new ManualTime();
  const { port, gateway, ingress } = await serve(t, { clock: time, timers: time });
  const finished = async (heard: OpenStream, id: string): Promise<void> => {
    const events = await heard.rest();
    const _meta = { 'io.modelcontextprotocol/serverInfo': SERVER_INFO, [ID]: id };
    assert.deepEqual(events.at(-1)?.message, { jsonrpc: '2.0', id, result: { resultType: 'complete', _meta } });
  };
  const old = await stream(port, listen({ resourceSubscriptions: ['test://a'] }, 'old'));
  await acknowledged(old, 'old');
  time.advance(15_000);
  assert.equal((await old.block())?.comment, 'keep-alive');
  time.advance(3_585_000);
  await finished(old, 'old');
  assert.equal(gateway.subscriptions[0]?.over, true);
  const open = await stream(port, listen(ALL, 'open'));
  await acknowledged(open, 'open');
  const closed = ingress.close();
  await finished(open, 'open');
  await closed;
  assert.equal(gateway.listening, 0);
});

test('a subscription that is decided after the listener began to close ends at once [MCP26-30]', async (t) => {
  const { port, gateway, ingress } = await serve(t);
  const { subscribe } = gateway;
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  gateway.subscribe = async (request) => {
    begun.resolve();
    await gate.promise;
    return await subscribe.call(gateway, request);
  };
  const opened = stream(port, listen({ resourceSubscriptions: ['test://a'] }));
  await begun.promise;
  const closed = ingress.close();
  gate.resolve();
  assert.deepEqual(await (await opened).rest(), []);
  await closed;
  assert.equal(gateway.subscriptions[0]?.over, true);
});

test('subscriptions are bounded for each caller, in number and in resources [MCP26-30] [G5]', async (t) => {
  const { port, gateway } = await serve(t);
  const streams: OpenStream[] = [];
  for (let i = 0; i < 256; i++) {
    const heard = await stream(port, listen(ALL, i));
    await acknowledged(heard, i);
    streams.push(heard);
  }
  const refused = await send(port, listen(ALL));
  assert.deepEqual([refused.status, errorOf(refused).data.error_code, refused.json.id], [503, 'OVERLOADED', 1]);
  const bobs = await stream(port, { ...listen(ALL), credential: BOB });
  assert.equal(bobs.status, 200);
  for (const each of [...streams, bobs]) each.close();
  const uris = Array.from({ length: 257 }, (_, index) => `test://${index}`);
  const many = await send(port, { ...listen({ resourceSubscriptions: uris }), credential: BOB });
  assert.equal(errorOf(many).code, -32602);
  assert.equal(gateway.subscriptions.length, 0);
});

test('a filter of the wrong shape is refused, and one that is refused holds nothing open', async (t) => {
  const { port, gateway } = await serve(t);
  const bad: JsonObject[] = [
    { toolsListChanged: 'true' },
    { promptsListChanged: 1 },
    { resourceSubscriptions: 'test://a' },
    { resourceSubscriptions: [1] },
    { taskIds: [1] },
  ];
  for (const filter of bad)
    assert.equal(errorOf(await send(port, listen(filter))).code, -32602, JSON.stringify(filter));
  assert.equal(errorOf(await send(port, modern('subscriptions/listen'))).code, -32602);
  gateway.subscribe = () => Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'disk full'));
  for (let i = 0; i < 257; i++) {
    const answer = await send(port, listen({ resourceSubscriptions: ['test://a'] }));
    assert.equal(errorOf(answer).data.error_code, 'AUDIT_UNAVAILABLE');
  }
  const json = listen(ALL);
  const answer = await send(port, { ...json, headers: { ...json.headers, Accept: 'application/json' } });
  assert.deepEqual([answer.status, errorOf(answer).data.error_code], [406, 'NOT_ACCEPTABLE']);
});

test('tasks are not announced; who asks for it without the extension is told that it is missing [MCP26-15]', async (t) => {
  const { port } = await serve(t);
  const extensions = { 'io.modelcontextprotocol/tasks': {} };
  const missing = await send(port, listen({ taskIds: ['t'] }));
  assert.deepEqual([missing.status, errorOf(missing).code], [400, -32021]);
  assert.deepEqual(errorOf(missing).data.requiredCapabilities, { extensions });
  assert.equal(errorOf(missing).data.error_code, 'CAPABILITY_REQUIRED');
  const declared = { 'io.modelcontextprotocol/clientCapabilities': { extensions } };
  const heard = await stream(port, listen({ taskIds: ['t'], toolsListChanged: true }, 1, declared));
  assert.deepEqual(await acknowledged(heard), { toolsListChanged: true });
  heard.close();
});
