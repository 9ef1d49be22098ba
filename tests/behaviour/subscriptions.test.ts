import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { type Front, front, objectAt, pipe } from '../support/behaviour.ts';
import { envelope, modern, type OpenStream } from '../support/ingress.ts';
import { Events, Peer } from '../support/peer.ts';
import { type Received, resultFor, textResult } from '../support/upstreams.ts';

const ID = 'io.modelcontextprotocol/subscriptionId';
const listen = (notifications: JsonObject, id: string | number = 'sub') =>
  modern('subscriptions/listen', { notifications }, { id });
const metaOf = (message: JsonObject | null): unknown => objectAt(objectAt(message, 'params'), '_meta')[ID];

/** A server of 2026-07-28 that agrees to announce whatever it is asked to. */
function announcing(peer: Peer): { to(name: string): Promise<(method: string, params?: JsonObject) => void> } {
  const streams: { wanted: JsonObject; tell: (method: string, params?: JsonObject) => void }[] = [];
  const waiting = new Set<() => void>();
  peer.on('subscriptions/listen', ({ message, response }: Received) => {
    const wanted = message.params?.notifications as JsonObject;
    const _meta = { [ID]: message.id ?? '' };
    const events = new Events(response).tell('notifications/subscriptions/acknowledged', {
      notifications: wanted,
      _meta,
    });
    streams.push({ wanted, tell: (method, params = {}) => void events.tell(method, { ...params, _meta }) });
    for (const look of waiting) look();
  });
  return {
    async to(name) {
      for (;;) {
        const found = streams.findLast(({ wanted }) => JSON.stringify(wanted).includes(name));
        if (found !== undefined) return found.tell;
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
  };
}

test('a subscription is acknowledged first, under its own id, and brings what was asked for and nothing else [B26-551] [B26-552] [B26-553] [B26-119]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const server = announcing(peer);
  const gateway = await front(t, { peer });
  const open: OpenStream[] = [];
  for (const [filter, id] of [
    [{ resourcesListChanged: true }, 1],
    [{ resourceSubscriptions: ['note:///one'] }, 'one'],
    [{ promptsListChanged: true, toolsListChanged: false }, '1'],
  ] as [JsonObject, string | number][]) {
    const stream = await gateway.stream(listen(filter, id));
    const first = await stream.next();
    assert.equal(first?.method, 'notifications/subscriptions/acknowledged');
    const honoured = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== false));
    assert.deepEqual(objectAt(first, 'params').notifications, honoured);
    assert.deepEqual(metaOf(first), id);
    open.push(stream);
  }
  const tell = await server.to('note:///one');
  tell('notifications/resources/updated', { uri: 'note:///one' });
  tell('notifications/resources/updated', { uri: 'note:///by-id/7' });
  tell('notifications/resources/list_changed');
  for (const [stream, method, id] of [
    [open[0], 'notifications/resources/list_changed', 1],
    [open[1], 'notifications/resources/updated', 'one'],
  ] as const) {
    const message = (await stream?.next()) ?? null;
    assert.deepEqual([message?.method, metaOf(message)], [method, id]);
  }
  await gateway.bed.stop();
  for (const [index, stream] of open.entries()) {
    const rest = (await stream.rest()).flatMap(({ message }) =>
      message?.method === undefined ? [] : [message.method],
    );
    assert.deepEqual(rest, [], `stream ${index}`);
  }
});

test('what is honoured is less than what was asked where the caller may not have it, and that is said [B26-552]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  announcing(peer);
  const policies = {
    'some.cedar': 'permit (principal, action == Action::"subscribe", resource) when { context.uri == "note:///one" };',
  };
  const gateway = await front(t, { peer, policies });
  const stream = await gateway.stream(
    listen({ promptsListChanged: true, resourceSubscriptions: ['note:///one', 'note:///by-id/2', 'note:///none'] }),
  );
  const { notifications } = objectAt(await stream.next(), 'params');
  assert.deepEqual(notifications, { resourceSubscriptions: ['note:///one'] });
  stream.close();
});

test('a subscription that the gateway ends is ended for its client too: the stream closes, and over a pipe it is said [B26-554] [B26-501]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  announcing(peer);
  const gateway: Front = await front(t, { peer });
  const stream = await gateway.stream(listen({ resourcesListChanged: true }));
  assert.ok(await stream.next());
  await gateway.bed.stop();
  const last = (await stream.rest()).flatMap(({ message }) => (message === null ? [] : [message]));
  assert.ok(last.every((message) => message.id === 'sub'));

  const piped = await pipe(t, { peer });
  const params = { notifications: { resourcesListChanged: true }, _meta: envelope() };
  piped.say({ jsonrpc: '2.0', id: 'sub', method: 'subscriptions/listen', params });
  assert.equal((await piped.next()).method, 'notifications/subscriptions/acknowledged');
  const ended = (await piped.rest()).filter(({ method }) => method === 'notifications/cancelled');
  assert.deepEqual(
    ended.map((message) => (message.params as JsonObject).requestId),
    ['sub'],
  );
});

test('a client that cancels its subscription over a pipe hears nothing more of it [B26-551] [B26-407]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const server = announcing(peer);
  const gateway = await pipe(t, { peer });
  for (const id of ['one', 'two']) {
    const params = { notifications: { resourcesListChanged: true }, _meta: envelope() };
    gateway.say({ jsonrpc: '2.0', id, method: 'subscriptions/listen', params });
    assert.equal(metaOf(await gateway.next()), id);
  }
  gateway.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'one' } });
  gateway.say({ jsonrpc: '2.0', id: 'after', method: 'server/discover', params: { _meta: envelope() } });
  assert.equal((await gateway.next()).id, 'after');
  (await server.to('resourcesListChanged'))('notifications/resources/list_changed');
  const heard = await gateway.next();
  assert.deepEqual([heard.method, metaOf(heard)], ['notifications/resources/list_changed', 'two']);
});

test('progress and log messages never come on a subscription [B26-555] [B26-814]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const server = announcing(peer);
  peer.on('tools/call', async ({ message, response }) => {
    const progressToken = String(message.params?._meta?.progressToken);
    const tell = await server.to('note:///one');
    tell('notifications/progress', { progressToken, progress: 1 });
    tell('notifications/message', { level: 'error', data: 'on the wrong stream' });
    tell('notifications/resources/updated', { uri: 'note:///one' });
    new Events(response).send(resultFor(message, textResult('x'))).end();
  });
  const gateway = await front(t, { peer });
  const stream = await gateway.stream(listen({ resourceSubscriptions: ['note:///one'] }));
  assert.ok(await stream.next());
  const _meta = envelope({ progressToken: 'p', 'io.modelcontextprotocol/logLevel': 'debug' });
  const calling = await gateway.stream(modern('tools/call', { name: 'echo', arguments: {}, _meta }));
  await calling.rest();
  assert.equal((await stream.next())?.method, 'notifications/resources/updated');
  stream.close();
});
