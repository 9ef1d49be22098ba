import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { front, pipe } from '../support/behaviour.ts';
import { envelope, errorOf, initialize, modern } from '../support/ingress.ts';
import { Events, Peer } from '../support/peer.ts';
import { answerJson, connect, type Received, resultFor, scripted, textOf, textResult } from '../support/upstreams.ts';

const said = textResult('hi') as JsonObject;
const request = (id: string | number, method: string, params: JsonObject = {}, meta: JsonObject = {}): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method,
  params: { _meta: envelope(meta), ...params },
});
const call = (id: string | number, args: JsonObject = {}, meta: JsonObject = {}): JsonObject =>
  request(id, 'tools/call', { name: 'echo', arguments: args }, meta);

test('what goes out over a pipe is one message to a line, UTF-8, and nothing else [B26-401] [B26-402] [B25-401] [B25-402]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const text = 'line one\nline two\r\n\u2028 ünï ☃ \u0000';
  peer.answer('tools/call', textResult(text) as JsonObject);
  const gateway = await pipe(t, { peer });
  gateway.say(call(1, { text }));
  gateway.write('this is no message');
  gateway.say(request(2, 'tools/list'));
  gateway.say(initialize().body as JsonObject);
  const lines = await gateway.rest();
  assert.equal(lines.length, 4);
  for (const message of lines) assert.equal(message.jsonrpc, '2.0');
  const answer = lines.find(({ id }) => id === 1)?.result as { content: { text: string }[] };
  assert.equal(answer.content[0]?.text, text);
});

test('bytes that are not UTF-8 are no message, from a client or from a server [B26-401] [B25-401]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.on('tools/call', ({ response, message }) => {
    const body = Buffer.from(JSON.stringify(resultFor(message, textResult('caf?'))).replace('?', '\u00e9'), 'latin1');
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  const gateway = await front(t, { peer });
  assert.equal(
    errorOf(await gateway.send(modern('tools/call', { name: 'echo', arguments: {} }))).data.error_code,
    'RESPONSE_ENCODING_INVALID',
  );
  const { body, headers = {} } = modern('tools/list');
  const broken = Buffer.from(
    JSON.stringify(body).replace('"1"', '"\u00e9"').replace('tools/list', 'tools/l\u00efst'),
    'latin1',
  );
  const answer = await gateway.send({ body: broken, headers });
  assert.deepEqual([answer.status, errorOf(answer).code], [400, -32700]);
});

test('no request of a server goes out over the pipe of a client of 2026-07-28 [B26-404]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.on('tools/call', ({ response }) => void new Events(response).ask('q', 'roots/list'));
  const gateway = await pipe(t, { peer, asks: ['list_roots'] });
  gateway.say(call(1, {}, { 'io.modelcontextprotocol/clientCapabilities': { roots: {} } }));
  const message = await gateway.next();
  assert.equal(message.method, undefined);
  assert.equal((message.result as JsonObject).resultType, 'input_required');
});

test('nothing more is said of a request that was cancelled over the pipe, and its server is told [B26-407] [B26-502]', async (t) => {
  for (const family of ['2026-07-28', 'handshake'] as const) {
    const peer = await Peer.listening(t, { family });
    const gone = Promise.withResolvers<void>();
    peer.on('tools/call', ({ response }) => {
      response.on('close', () => gone.resolve());
      new Events(response);
    });
    const gateway = await pipe(t, { peer });
    gateway.say(call('a'));
    await peer.reached('tools/call');
    gateway.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a' } });
    await gone.promise;
    gateway.say(request('b', 'tools/list'));
    const after = await gateway.rest();
    assert.deepEqual(
      after.map(({ id, method }) => method ?? id),
      ['b'],
    );
  }
});

test('cancelling what is over, or was never asked, changes nothing [B26-504] [B25-502]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', said);
  const gateway = await pipe(t, { peer });
  const cancel = (params: JsonObject): void =>
    gateway.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
  gateway.say(call(1));
  assert.equal((await gateway.next()).id, 1);
  for (const params of [{ requestId: 1 }, { requestId: 'never' }, { requestId: null }, { requestId: {} }, {}])
    cancel(params);
  gateway.say(call(1));
  const again = await gateway.next();
  assert.ok(again.id === 1 && 'result' in again);
  assert.equal(peer.all('notifications/cancelled').length, 0);
});

test('a server over a pipe is told of a cancellation under the id of the request, once, and only while it runs [B26-406] [B26-503] [B25-501] [B25-503]', async (t) => {
  const script = `
    let held = null;
    const told = [];
    on.call = (m) => {
      if (m.params.name !== 'hold') return ok(m.id, text(JSON.stringify(told)));
      held = m.id;
      process.stderr.write('held');
    };
    on.other = (m) => {
      if (m.method !== 'notifications/cancelled') return;
      told.push([m.params.requestId === held, 'id' in m]);
      ok(held, text('too late'));
    };`;
  const { call: direct, upstream } = connect(t, scripted(script));
  assert.equal(textOf(await direct('t')), '[]');
  const abort = new AbortController();
  const held = direct('hold', {}, { signal: abort.signal });
  const probe = direct('t');
  await probe;
  abort.abort();
  await assert.rejects(held, /CALL_CANCELLED/);
  abort.abort();
  assert.equal(textOf(await direct('t')), '[[true,false]]');
  await upstream.close();
});

test('subscriptions of a server over a pipe are told apart by their id, and asked for again after it was restarted [B26-405] [B26-408]', async (t) => {
  const script = `
    const meta = (id) => ({ 'io.modelcontextprotocol/subscriptionId': id });
    const tell = (id, uri) => send({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri, _meta: meta(id) } });
    on.discover = (m) => ok(m.id, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {}, resources: { subscribe: true } }, ttlMs: 0, cacheScope: 'private' });
    on.call = (m) => process.exit(1);
    on.other = (m) => {
      if (m.method !== 'subscriptions/listen') return;
      const notifications = { resourceSubscriptions: m.params.notifications.resourceSubscriptions ?? [] };
      send({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications, _meta: meta(m.id) } });
      for (const uri of notifications.resourceSubscriptions) { tell('another', uri + '?foreign'); tell(m.id, uri); }
    };`;
  const { upstream, call: direct } = connect(t, scripted(script));
  const heard: string[] = [];
  const waiting = new Set<() => void>();
  const hear = (uri: string) => (): void => {
    heard.push(uri);
    for (const look of waiting) look();
  };
  const end = await upstream.subscribe('note:///one', hear('note:///one'), new AbortController().signal);
  assert.ok(end !== null);
  const count = async (wanted: number): Promise<void> => {
    while (heard.length < wanted) await new Promise<void>((resolve) => waiting.add(resolve));
  };
  await count(1);
  await assert.rejects(direct('t'), /OUTCOME_UNKNOWN/);
  await count(2);
  assert.ok(heard.every((uri) => uri === 'note:///one'));
  end();
});

test('a handshake with a server over HTTP is never cancelled [B25-504]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const opened = Promise.withResolvers<Received>();
  peer.on('initialize', (received) => opened.resolve(received)).answer('tools/call', said);
  const { call: direct } = connect(t, { kind: 'http', url: peer.url, tlsFingerprint: null });
  const abort = new AbortController();
  const first = direct('echo', {}, { signal: abort.signal });
  const { message, response } = await opened.promise;
  abort.abort();
  await assert.rejects(first, /CALL_CANCELLED/);
  const serverInfo = { name: 'p', version: '1' };
  const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo };
  answerJson(response, resultFor(message, result), 200, { 'mcp-session-id': 's' });
  assert.equal(textOf(await direct('echo')), 'hi');
  assert.deepEqual([peer.all('notifications/cancelled').length, peer.all('initialize').length], [0, 1]);
});

test('a ping is answered at once, with nothing, whoever asks [B25-521]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const pong = Promise.withResolvers<Received>();
  peer.on('tools/call', ({ response }) => void new Events(response).ask('ping-1', 'ping'));
  peer.on('response', (received) => {
    received.response.writeHead(202).end();
    pong.resolve(received);
  });
  const gateway = await pipe(t, { peer });
  gateway.say({ jsonrpc: '2.0', id: 'p', method: 'ping' });
  assert.deepEqual(await gateway.next(), { jsonrpc: '2.0', id: 'p', result: {} });
  gateway.say(initialize().body as JsonObject);
  await gateway.next();
  gateway.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } });
  const { message } = await pong.promise;
  assert.deepEqual(message, { jsonrpc: '2.0', id: 'ping-1', result: {} });
  gateway.say({ jsonrpc: '2.0', id: 2, method: 'ping' });
  assert.deepEqual(await gateway.next(), { jsonrpc: '2.0', id: 2, result: {} });
});
