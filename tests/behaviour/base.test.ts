import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { bedBehind, front, objectAt, pipe } from '../support/behaviour.ts';
import { type Answered, envelope, errorOf, initialize, inSession, modern } from '../support/ingress.ts';
import { EVERYTHING, Peer } from '../support/peer.ts';
import { answerJson, resultFor, textResult } from '../support/upstreams.ts';

const FAMILIES = ['2026-07-28', 'handshake'] as const;
const call = (text = 'hi', more: Parameters<typeof modern>[2] = {}) =>
  modern('tools/call', { name: 'echo', arguments: { text } }, more);
const echoing = ({ message }: { message: { params?: { arguments?: unknown } } }): JsonObject =>
  textResult(JSON.stringify(message.params?.arguments)) as JsonObject;

for (const family of FAMILIES) {
  test(`every request that a server of the family ${family} is sent has an id of its own, a string ${family === 'handshake' ? '[B25-102]' : '[B26-102]'}`, async (t) => {
    const peer = await Peer.listening(t, { family });
    peer.answer('tools/call', echoing).answer('resources/read', { contents: [{ uri: 'note:///one', text: '1' }] });
    const gateway = await front(t, { peer });
    await gateway.send(call());
    await gateway.send(call());
    await gateway.send(modern('resources/read', { uri: 'note:///one' }));
    const ids = peer.received.flatMap(({ message }) => (message.method === undefined ? [] : [message.id]));
    const requests = ids.filter((each) => each !== undefined);
    assert.ok(requests.length > 5);
    assert.deepEqual([...new Set(requests)], requests);
    assert.ok(requests.every((each) => typeof each === 'string'));
  });
}

test('the notifications that servers are sent carry no id, and nothing is said but JSON-RPC 2.0 [B26-111] [B25-107]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('tools/call', echoing);
  const gateway = await front(t, { peer });
  await gateway.send(call());
  const said = peer.received.filter(({ method }) => method === 'POST').map(({ message }) => message as JsonObject);
  assert.ok(said.every((message) => message.jsonrpc === '2.0'));
  const notifications = said.filter(({ method }) => String(method).startsWith('notifications/'));
  assert.deepEqual(
    notifications.map((message) => [message.method, Object.hasOwn(message, 'id')]),
    [['notifications/initialized', false]],
  );
});

test('a message that is not JSON-RPC 2.0, or whose id is neither text nor integer, is refused without an answer to it [B26-101] [B26-123] [B25-101] [B25-106]', async (t) => {
  const gateway = await front(t, { peer: await Peer.listening(t, { family: '2026-07-28' }) });
  const whole = modern('tools/list');
  for (const change of [{ id: null }, { id: 1.5 }, { id: true }, { id: [1] }, { jsonrpc: '1.0' }, { jsonrpc: 2 }]) {
    const answer = await gateway.send({ ...whole, body: { ...(whole.body as JsonObject), ...change } });
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32600], JSON.stringify(change));
    assert.equal('id' in answer.json && !('jsonrpc' in change), false);
  }
});

test('answers carry the id of their request with its type, results and errors alike [B26-103] [B26-106] [B25-103] [B25-104]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', echoing);
  const gateway = await front(t, { peer });
  const opened = await gateway.send(initialize());
  const session = String(opened.headers['mcp-session-id']);
  for (const id of [7, '7', 0, '', -3, 'a"\u00e9']) {
    for (const name of ['echo', 'nothing of that name']) {
      const request = { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } };
      const headers = { 'Mcp-Name': encodeURI(name) === name ? name : '' };
      const stateless = name === 'echo' ? modern('tools/call', { name, arguments: {} }, { id }) : null;
      const answers = [await gateway.send(inSession(session, request))];
      if (stateless !== null)
        answers.push(await gateway.send({ ...stateless, headers: { ...stateless.headers, ...headers } }));
      for (const { json } of answers) {
        assert.deepEqual([json.jsonrpc, json.id], ['2.0', id]);
        if (name === 'echo') assert.ok('result' in json && !('error' in json));
        else assert.ok(Number.isInteger((json.error as JsonObject).code) && !('result' in json));
      }
      if (name !== 'echo') assert.equal(typeof errorOf(answers[0] as Answered).message, 'string');
    }
  }
});

test('each result says its type, also where the server behind said none [B26-103] [B26-105]', async (t) => {
  for (const family of FAMILIES) {
    const peer = await Peer.listening(t, { family });
    peer.answer('tools/call', echoing).answer('resources/read', { contents: [{ uri: 'note:///one', text: '1' }] });
    const gateway = await front(t, { peer });
    const said = [
      call(),
      modern('resources/read', { uri: 'note:///one' }),
      modern('tools/list'),
      modern('server/discover'),
    ];
    for (const request of said) {
      const { json } = await gateway.send(request);
      assert.equal((json.result as JsonObject).resultType, 'complete');
    }
  }
});

test('a result of a type that nobody agreed on is no success [B26-104]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer });
  for (const resultType of ['partial', 'task', '', 7]) {
    peer.answer('tools/call', { ...(textResult('x') as JsonObject), resultType });
    assert.equal(errorOf(await gateway.send(call())).data.error_code, 'UPSTREAM_PROTOCOL_ERROR', String(resultType));
  }
});

test('reserved codes that the protocol does not define, or no longer has, are not said to a client, whatever a server says [B26-107] [B26-108]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer });
  for (const code of [-32099, -32050, -32023, -32042, -32002, -32020, -32022]) {
    peer.fail('tools/call', { code, message: 'no', data: { why: 'x' } });
    const { code: said } = errorOf(await gateway.send(call()));
    assert.ok(said === -32602 || said > -32000, `${code} became ${said}`);
  }
});

test('a code from the range of old implementations is one error like another [B26-109]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer });
  for (const code of [-32000, -32001, -32004, -32019]) {
    peer.fail('tools/call', { code, message: 'server says no' });
    const { message, data } = errorOf(await gateway.send(call()));
    assert.deepEqual([message, data.error_code], ['server says no', 'UPSTREAM_TOOL_ERROR']);
  }
  assert.equal(peer.all('tools/call').length, 4);
});

test('nobody answers a notification [B26-110] [B25-105]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await pipe(t, { peer });
  gateway.say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'x', progress: 1 } });
  gateway.say({ jsonrpc: '2.0', method: 'notifications/unheard-of', params: {} });
  gateway.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'x' } });
  gateway.say({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: envelope() } });
  const said = await gateway.rest();
  assert.deepEqual(
    said.map(({ id }) => id),
    [1],
  );
});

test('nothing is remembered of an earlier request on the connection: what it declared does not hold for the next [B26-112] [B26-801]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', echoing);
  const gateway = await pipe(t, { peer, asks: ['elicit'] });
  const declared = {
    'io.modelcontextprotocol/clientCapabilities': {
      elicitation: { form: {} },
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    },
  };
  const ask = (id: number, meta: JsonObject): JsonObject => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { _meta: meta, name: 'echo', arguments: {} },
  });
  gateway.say(ask(1, envelope(declared)));
  await gateway.next();
  gateway.say(ask(2, envelope()));
  await gateway.next();
  gateway.say({ ...ask(3, {}), params: { name: 'echo', arguments: {} } });
  assert.equal(((await gateway.next()).error as JsonObject).code, -32600);
  const offered = peer
    .all('tools/call')
    .map(({ message }) => message.params?._meta?.['io.modelcontextprotocol/clientCapabilities']);
  assert.deepEqual(offered, [{ elicitation: { form: {} }, extensions: { 'io.modelcontextprotocol/tasks': {} } }, {}]);
});

test('what a server of 2026-07-28 is sent says version and capabilities, each time [B26-117]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', echoing).answer('resources/read', { contents: [{ uri: 'note:///one', text: '1' }] });
  const gateway = await front(t, { peer });
  await gateway.send(call());
  await gateway.send(modern('resources/read', { uri: 'note:///one' }));
  const requests = peer.received.filter(({ message }) => message.id !== undefined);
  assert.ok(requests.length >= 5);
  for (const { message } of requests) {
    const meta = message.params?._meta ?? {};
    assert.equal(meta['io.modelcontextprotocol/protocolVersion'], '2026-07-28', message.method);
    assert.equal(typeof meta['io.modelcontextprotocol/clientCapabilities'], 'object', message.method);
  }
});

test('a server that needs what the client did not declare is heard: 400, the code, and what is missing [B26-118]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const requiredCapabilities = { elicitation: { form: {} } };
  peer.fail('tools/call', { code: -32021, message: 'needs forms', data: { requiredCapabilities } }, 400);
  const gateway = await front(t, { peer });
  const answer = await gateway.send(call());
  assert.deepEqual([answer.status, errorOf(answer).code], [400, -32021]);
  assert.deepEqual(errorOf(answer).data.requiredCapabilities, requiredCapabilities);
});

test('trace context is passed on where it has the form of the standard, and else left out [B26-120]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', echoing);
  const gateway = await front(t, { peer });
  const good = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01';
  for (const traceparent of [good, 'nonsense', '00-00000000000000000000000000000000-00f067aa0ba902b7-01']) {
    const _meta = envelope({ traceparent });
    await gateway.send(modern('tools/call', { name: 'echo', arguments: {}, _meta }));
  }
  const passed = peer.all('tools/call').map(({ message }) => message.params?._meta?.traceparent ?? null);
  assert.deepEqual(passed, [good, null, null]);
});

test('the names of our own members of _meta have the form that the protocol gives them [B26-122] [B26-203]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', echoing);
  const gateway = await front(t, { peer });
  const name =
    /^(?:[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\/[a-zA-Z0-9](?:[\w.-]*[a-zA-Z0-9])?$/;
  const result = (await gateway.send(call())).json.result as JsonObject;
  const keys = Object.keys(result._meta as JsonObject);
  assert.ok(keys.length > 0 && keys.every((key) => name.test(key)), keys.join());
  const reserved = keys.filter((key) => /^[^/]*\.(?:modelcontextprotocol|mcp)\b/.test(key));
  assert.deepEqual(reserved, ['io.modelcontextprotocol/serverInfo']);
  const discovered = (await gateway.send(modern('server/discover'))).json.result as { capabilities: JsonObject };
  const extensions = Object.keys(discovered.capabilities.extensions as JsonObject);
  assert.ok(extensions.length > 0 && extensions.every((key) => name.test(key)));
});

test('what stands under a reserved key may be anything: it is refused as a parameter or left aside, and is never a fault [B26-124] [B25-109]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('tools/call', echoing);
  const gateway = await front(t, { peer });
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  const keys = ['clientInfo', 'logLevel', 'subscriptionId', 'serverInfo', 'related-task', 'unheard-of'];
  const names = [
    'progressToken',
    'traceparent',
    'tracestate',
    'baggage',
    ...keys.map((key) => `io.modelcontextprotocol/${key}`),
  ];
  for (const name of names) {
    for (const value of [null, 7, true, 'x'.repeat(300), [], { a: { b: [1] } }]) {
      const params = { name: 'echo', arguments: {}, _meta: { [name]: value } };
      const answers = [
        await gateway.send(modern('tools/call', { ...params, _meta: envelope({ [name]: value }) })),
        await gateway.send(inSession(session, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })),
      ];
      for (const { json } of answers) assert.ok('result' in json || objectAt(json, 'error').code === -32602, name);
    }
  }
});

test('a schema that points into the network is never followed [B26-115]', async (t) => {
  const hits: string[] = [];
  const listener = createServer((request, response) => {
    hits.push(request.url ?? '');
    response.end('{}');
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  const $ref = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/schema.json`;
  const inputSchema = { type: 'object', properties: { text: { $ref } } };
  const offered = { ...EVERYTHING, tools: [{ name: 'echo', inputSchema }] };
  const peer = await Peer.listening(t, { family: 'handshake', offered });
  peer.answer('tools/call', { ...(textResult('x') as JsonObject), structuredContent: { a: 1 } });
  const gateway = await front(t, { peer });
  await gateway.send(modern('tools/list'));
  await gateway.send(call());
  const tools = [{ name: 'echo', inputSchema, outputSchema: { type: 'object', $ref } }];
  const held = await Peer.listening(t, { family: 'handshake', offered: { ...EVERYTHING, tools } });
  await assert.rejects(
    async () => (await bedBehind(t, { peer: held })).start(),
    /CATALOG_INVALID.*outputSchema\/\$ref/,
  );
  assert.deepEqual(hits, []);
});

test('an icon that does not lead to https, and is not inline, keeps the catalog from being loaded [B26-121] [B25-108]', async (t) => {
  for (const src of ['javascript:alert(1)', 'file:///etc/passwd', 'ftp://a/b.png', 'ws://a/b', 'http://a/b.png']) {
    const tools = [{ ...EVERYTHING.tools[0], icons: [{ src, mimeType: 'image/png' }] }];
    const peer = await Peer.listening(t, { family: 'handshake', offered: { ...EVERYTHING, tools } });
    await assert.rejects(async () => (await bedBehind(t, { peer })).start(), /CATALOG_INVALID/, src);
  }
});

test('a server is answered under its own id, whatever its type, and its notifications are not answered [B25-104] [B25-105]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.on('tools/call', ({ message, response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const say = (said: unknown): void => void response.write(`data: ${JSON.stringify(said)}\n\n`);
    for (const id of [5, '5']) say({ jsonrpc: '2.0', id, method: 'ping' });
    say({ jsonrpc: '2.0', method: 'notifications/unheard-of' });
    say({ jsonrpc: '2.0', id: 'last', method: 'unheard/of' });
    peer.on('response', (answer) => {
      answer.response.writeHead(202).end();
      if (answer.message.id !== 'last') return;
      say(resultFor(message, textResult('done')));
      response.end();
    });
  });
  const gateway = await front(t, { peer });
  await gateway.send(call());
  const answers = peer.all('response').map(({ message }) => message as JsonObject);
  assert.deepEqual(new Set(answers.map(({ id }) => id)), new Set([5, '5', 'last']));
  assert.ok(answers.every((answer) => answer.jsonrpc === '2.0' && 'result' in answer !== 'error' in answer));
  assert.equal(
    objectAt(
      answers.find(({ id }) => id === 'last'),
      'error',
    ).code,
    -32601,
  );
});

test('what a server answers under an id that is not that of the request is no answer [B26-103] [B25-103]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.on('tools/call', ({ response }) =>
    answerJson(response, { jsonrpc: '2.0', id: 'other', result: textResult('x') }),
  );
  const gateway = await front(t, { peer });
  assert.equal(errorOf(await gateway.send(call())).data.error_code, 'UPSTREAM_PROTOCOL_ERROR');
});
