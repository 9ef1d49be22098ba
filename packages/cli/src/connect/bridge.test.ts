import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { JsonNumber, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { AttestedGateway, Bridged, errorText, type Received } from '../../../../tests/support/attested-gateway.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';

const VERSION = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const stateless = (id: number | string, method: string, params: JsonObject = {}): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method,
  params: { ...params, _meta: { ...META, ...(params._meta as object | undefined) } },
});
const call = (id: number | string, args: JsonObject = {}): JsonObject =>
  stateless(id, 'tools/call', { name: 'echo', arguments: args });
const notification = (method: string, params: JsonObject = {}): JsonObject => ({ jsonrpc: '2.0', method, params });

const JSON_TYPE = { 'content-type': 'application/json' };
const STREAM_TYPE = { 'content-type': 'text/event-stream' };
const result = ({ message }: Received, value: JsonObject = {}): string =>
  stringifyJson({ jsonrpc: '2.0', id: member(message, 'id') ?? null, result: value });
const answerJson = (received: Received, value?: JsonObject, headers = {}): void =>
  void received.response.writeHead(200, { ...JSON_TYPE, ...headers }).end(result(received, value));
const event = (text: string): string => `data: ${text}\n\n`;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Bench {
  gateway: AttestedGateway;
  bridge: Bridged;
  /** Everything that came to `/mcp`, in order. */
  seen: Received[];
  /** The next request to `/mcp` that nobody has taken yet. */
  arrival(): Promise<Received>;
}

/** A bridge to a gateway that answers as `script` says; without one, the test answers what arrives. */
async function bench(t: TestContext, script?: (received: Received) => void, time?: ManualTime): Promise<Bench> {
  const gateway = await AttestedGateway.start();
  t.after(() => gateway.close());
  const seen: Received[] = [];
  let taken = 0;
  gateway.onMcp = (received) => {
    seen.push(received);
    script?.(received);
  };
  if (time !== undefined) gateway.now = () => Math.floor(time.nowMicros() / 1_000_000);
  const bridge = new Bridged(gateway.front.url, gateway.expectations, time === undefined ? {} : { time });
  t.after(() => bridge.stop());
  const arrival = async (): Promise<Received> => {
    for (;;) {
      const received = seen[taken];
      if (received !== undefined) {
        taken += 1;
        return received;
      }
      await turn();
    }
  };
  return { gateway, bridge, seen, arrival };
}

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

/** A bench whose client has gone through the handshake. */
async function inSession(
  t: TestContext,
  version = '2025-11-25',
  session: string | null = 'session-1',
  time?: ManualTime,
): Promise<Bench> {
  const opened = await bench(t, undefined, time);
  const { bridge, arrival } = opened;
  bridge.send(INITIALIZE);
  const agreed = { protocolVersion: version, capabilities: {}, serverInfo: { name: 's', version: '1' } };
  answerJson(await arrival(), agreed, session === null ? {} : { 'mcp-session-id': session });
  await bridge.next();
  bridge.send(notification('notifications/initialized'));
  (await arrival()).response.writeHead(202).end();
  return opened;
}

test('a stateless request carries its revision, method and name in headers, and its body as it was [MCP26-10]', async (t) => {
  const { bridge, seen } = await bench(t, answerJson);
  for (const [method, params, name] of [
    ['tools/list', {}, undefined],
    ['tools/call', { name: 'größe', arguments: {} }, '=?base64?Z3LDtsOfZQ==?='],
    ['resources/read', { uri: 'file:///a' }, 'file:///a'],
    ['prompts/get', { name: 'p' }, 'p'],
  ] as const) {
    await bridge.ask(stateless(1, method, params));
    const { headers, message } = seen.at(-1) as Received;
    assert.equal(headers['mcp-protocol-version'], VERSION);
    assert.equal(headers['mcp-method'], method);
    assert.equal(headers['mcp-name'], name);
    assert.equal(headers['mcp-session-id'], undefined);
    assert.deepEqual(message, stateless(1, method, params));
  }
});

test('ids come back with their exact type and numbers with their exact text [G7] [MCP26-16]', async (t) => {
  const sums = '{"a":1.50,"b":12345678901234567890,"c":-0,"d":1E5}';
  const { bridge, seen } = await bench(t, (received) => {
    const args = (received.message.params as JsonObject).arguments as JsonObject;
    answerJson(received, { structuredContent: args });
  });
  for (const id of [1, '1', '', 9007199254740991, -5, 'ü']) {
    const line = stringifyJson(call(id)).replace('"arguments":{}', `"arguments":${sums}`);
    bridge.send(line);
    const answer = await bridge.next();
    assert.equal(answer.id, id);
    assert.equal(stringifyJson((answer.result as JsonObject).structuredContent as JsonObject), sums);
  }
  const [first] = seen as [Received];
  const params = (first.message.params as JsonObject).arguments as JsonObject;
  assert.ok(params.a instanceof JsonNumber && params.a.lexeme === '1.50');
});

test('messages on an event stream are relayed in order, the response last, and answers to others never [MCP26-17]', async (t) => {
  const { bridge } = await bench(t, (received) => {
    const { response, message } = received;
    response.writeHead(200, STREAM_TYPE);
    for (let progress = 1; progress <= 3; progress += 1) {
      response.write(event(stringifyJson(notification('notifications/progress', { progress }))));
    }
    response.write(event(stringifyJson({ jsonrpc: '2.0', id: '7', result: { of: 'another' } })));
    response.write(event(result(received, { done: true })) + event(stringifyJson(notification('notifications/late'))));
    response.end(event(stringifyJson({ jsonrpc: '2.0', id: message.id as number, result: { twice: true } })));
  });
  bridge.send(call(7));
  for (const progress of [1, 2, 3]) {
    assert.deepEqual(await bridge.next(), notification('notifications/progress', { progress }));
  }
  assert.deepEqual(await bridge.next(), { jsonrpc: '2.0', id: 7, result: { done: true } });
  assert.deepEqual((await bridge.ask(stateless(8, 'server/discover'))).method, 'notifications/progress');
  assert.match(bridge.said.join('\n'), /dropped an answer to no request of the client/);
});

test('several requests are under way at once, and each gets its own answer', async (t) => {
  const { bridge, arrival } = await bench(t);
  for (const id of [1, 2, 3]) bridge.send(call(id));
  const arrived = [await arrival(), await arrival(), await arrival()];
  for (const received of arrived.reverse()) {
    answerJson(received, { of: received.message.id as number });
    const { id } = await bridge.next();
    assert.equal(id, received.message.id);
  }
});

test('a cancelled stateless request closes its stream and is not answered [MCP26-26]', async (t) => {
  const { bridge, arrival, seen } = await bench(t);
  bridge.send(call('slow'));
  const { response } = await arrival();
  response.writeHead(200, STREAM_TYPE).write(': open\n\n');
  const closed = once(response, 'close');
  bridge.send(notification('notifications/cancelled', { requestId: 'slow' }));
  await closed;
  bridge.send(notification('notifications/cancelled', { requestId: 'never asked' }));
  bridge.send(call('next'));
  const next = await arrival();
  answerJson(next);
  assert.equal((await bridge.next()).id, 'next');
  assert.equal(seen.length, 2);
});

test('a subscription that the gateway ends is ended for the client as stdio wants it [MCP26-30]', async (t) => {
  const { bridge, arrival } = await bench(t);
  bridge.send(stateless('sub', 'subscriptions/listen', { notifications: { toolsListChanged: true } }));
  const { response } = await arrival();
  const said = notification('notifications/tools/list_changed');
  response.writeHead(200, STREAM_TYPE).write(event(stringifyJson(said)));
  assert.deepEqual(await bridge.next(), said);
  response.end();
  assert.deepEqual(await bridge.next(), notification('notifications/cancelled', { requestId: 'sub' }));
  // The end of the client does not wait for one.
  bridge.send(stateless('again', 'subscriptions/listen'));
  const again = await arrival();
  again.response.writeHead(200, STREAM_TYPE).write(': open\n\n');
  assert.equal(await bridge.end(), 0);
});

const SCHEMA = {
  type: 'object',
  properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, n: { type: 'integer', 'x-mcp-header': 'N' } },
};
const TOOLS = { tools: [{ name: 'echo', inputSchema: SCHEMA }] };

test('arguments that a schema mirrors are sent as headers, learnt from the list that passed by [MCP26-33]', async (t) => {
  const broken = { name: 'bad', inputSchema: { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } } };
  const { bridge, seen } = await bench(t, (received) =>
    answerJson(received, received.message.method === 'tools/list' ? { tools: [...TOOLS.tools, broken] } : {}),
  );
  await bridge.ask(call(1, { region: 'before' }));
  assert.equal(seen.at(-1)?.headers['mcp-param-region'], undefined);
  await bridge.ask(stateless(2, 'tools/list'));
  await bridge.ask(call(3, { region: 'süd\n', n: 42 }));
  assert.equal(seen.at(-1)?.headers['mcp-param-region'], '=?base64?c8O8ZAo=?=');
  assert.equal(seen.at(-1)?.headers['mcp-param-n'], '42');
  const sent = seen.length;
  bridge.send(stringifyJson(call(4)).replace('"arguments":{}', '"arguments":{"n":1.5}'));
  const answer = await bridge.next();
  assert.equal((answer.error as JsonObject).code, -32602);
  assert.match(errorText(answer), /no header can carry it/);
  assert.equal(seen.length, sent);
  assert.match(bridge.said.join('\n'), /the schema of tool "bad" is not valid/);
});

test('a gateway that misses such headers is asked for its list, and the call is sent once more', async (t) => {
  const { bridge, seen } = await bench(t, (received) => {
    const { message, headers, response } = received;
    const params = message.params as JsonObject;
    if (message.method === 'tools/list') {
      answerJson(received, params.cursor === 'two' ? TOOLS : { tools: [], nextCursor: 'two' });
    } else if (headers['mcp-param-region'] === undefined) {
      const error = { code: -32020, message: 'Header mismatch' };
      response.writeHead(400, JSON_TYPE).end(stringifyJson({ jsonrpc: '2.0', id: message.id as number, error }));
    } else answerJson(received, { ok: true });
  });
  const asked = stateless(1, 'tools/call', {
    name: 'echo',
    arguments: { region: 'west' },
    _meta: { progressToken: 5, 'io.cmcp/session': 's' },
  });
  assert.deepEqual((await bridge.ask(asked)).result, { ok: true });
  assert.deepEqual(
    seen.map(({ message }) => message.method),
    ['tools/call', 'tools/list', 'tools/list', 'tools/call'],
  );
  const [, list] = seen as [Received, Received];
  assert.deepEqual((list.message.params as JsonObject)._meta, META);
  // What the list does not change is answered, not tried for ever.
  assert.match(errorText(await bridge.ask(call(2, {}))), /Header mismatch/);
});

test('a handshake leads to a session: its id and revision go with everything, in the order of the client [MCP25-03]', async (t) => {
  for (const version of ['2025-11-25', '2025-06-18']) {
    const { bridge, arrival, seen } = await inSession(t, version);
    assert.equal(seen[0]?.headers['mcp-session-id'], undefined);
    assert.equal(seen[0]?.headers['mcp-protocol-version'], undefined);
    bridge.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const arrived = [await arrival(), await arrival()];
    const [stream, list] = arrived[0]?.method === 'GET' ? arrived : arrived.reverse();
    for (const received of [seen[1], stream, list]) {
      assert.equal(received?.headers['mcp-session-id'], 'session-1');
      assert.equal(received?.headers['mcp-protocol-version'], version);
      assert.equal(received?.headers['mcp-method'], undefined);
    }
    answerJson(list as Received, { tools: [] });
    assert.deepEqual(await bridge.next(), { jsonrpc: '2.0', id: 1, result: { tools: [] } });
    const ended = bridge.end();
    const goodbye = await arrival();
    assert.equal(goodbye.method, 'DELETE');
    assert.equal(goodbye.headers['mcp-session-id'], 'session-1');
    goodbye.response.writeHead(204).end();
    assert.equal(await ended, 0);
  }
});

test('nothing overtakes the handshake or a notification', async (t) => {
  const { bridge, arrival, seen } = await bench(t);
  bridge.send(INITIALIZE);
  bridge.send(notification('notifications/initialized'));
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  const opening = await arrival();
  await turn();
  assert.equal(seen.length, 1);
  answerJson(opening, { protocolVersion: '2025-11-25', capabilities: {} }, { 'mcp-session-id': 's' });
  const initialized = await arrival();
  assert.equal(initialized.message.method, 'notifications/initialized');
  await turn();
  assert.equal(seen.length, 2);
  initialized.response.writeHead(202).end();
  const after = [await arrival(), await arrival()].map(({ message, method }) => message.method ?? method);
  assert.deepEqual(after.sort(), ['GET', 'tools/list']);
});

test('the server speaks first on its stream, is answered, and a broken stream is opened again after a check', async (t) => {
  const { bridge, arrival, gateway } = await inSession(t);
  const first = await arrival();
  assert.deepEqual([first.method, first.headers.accept], ['GET', 'text/event-stream']);
  const asks = { jsonrpc: '2.0', id: 'srv', method: 'ping' };
  first.response.writeHead(200, STREAM_TYPE);
  first.response.write(`: open\n\n${event(stringifyJson(asks))}`);
  assert.deepEqual(await bridge.next(), asks);
  bridge.send({ jsonrpc: '2.0', id: 'srv', result: {} });
  const answered = await arrival();
  assert.deepEqual(answered.message, { jsonrpc: '2.0', id: 'srv', result: {} });
  answered.response.writeHead(202).end();
  gateway.front.drop();
  const second = await arrival();
  assert.equal(second.method, 'GET');
  assert.equal(gateway.attested, 2);
});

test('a cancellation in a session is passed on, and the late answer is not', async (t) => {
  const { bridge, arrival } = await inSession(t);
  const stream = await arrival();
  stream.response.writeHead(405).end();
  bridge.send({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'x' } });
  const slow = await arrival();
  const cancel = notification('notifications/cancelled', { requestId: 5, reason: 'enough' });
  bridge.send(cancel);
  const told = await arrival();
  assert.deepEqual(told.message, cancel);
  assert.equal(told.headers['mcp-session-id'], 'session-1');
  told.response.writeHead(202).end();
  answerJson(slow, { late: true });
  bridge.send({ jsonrpc: '2.0', id: 6, method: 'ping' });
  answerJson(await arrival());
  assert.equal((await bridge.next()).id, 6);
});

test('an HTTP error becomes the error of its request, with what the gateway says about it', async (t) => {
  const said = (code: number, text: string, id?: JsonObject): string =>
    stringifyJson({ jsonrpc: '2.0', ...id, error: { code, message: text, data: { error_code: 'X' } } });
  const answers: [number, Record<string, string>, string, RegExp, number][] = [
    [401, JSON_TYPE, said(-32600, 'A valid credential is required.'), /credential is required/, -32600],
    [413, JSON_TYPE, said(-32600, 'The body is larger than allowed.'), /larger than allowed/, -32600],
    [429, JSON_TYPE, said(-32600, 'Too many.'), /Too many/, -32600],
    [400, JSON_TYPE, said(-32602, 'Mine.', { id: 1 }), /Mine/, -32602],
    [400, JSON_TYPE, said(-32602, 'Not mine.', { id: '1' }), /HTTP 400/, -32603],
    [500, { 'content-type': 'text/plain' }, 'oops', /HTTP 500/, -32603],
    [502, { 'content-type': 'text/html' }, '<h1>', /HTTP 502/, -32603],
    [404, {}, '', /HTTP 404/, -32603],
    [202, {}, '', /HTTP 202/, -32603],
    [200, { 'content-type': 'text/html' }, '<h1>', /neither JSON nor/, -32603],
    [200, JSON_TYPE, '{"jsonrpc":"2.0","id":2,"result":{}}', /no response to this request/, -32603],
    [200, JSON_TYPE, '{"jsonrpc":"2.0","id":"1","result":{}}', /no response to this request/, -32603],
    [200, JSON_TYPE, '[]', /no JSON-RPC message/, -32603],
    [200, JSON_TYPE, '{"a":1,"a":2}', /DUPLICATE_KEY/, -32603],
    [200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, '{}', /compressed/, -32603],
    [200, STREAM_TYPE, ': nothing\n\n', /without a response/, -32603],
  ];
  const { bridge, arrival } = await bench(t);
  for (const [status, headers, body, why, code] of answers) {
    bridge.send(call(1));
    (await arrival()).response.writeHead(status, headers).end(body);
    const answer = await bridge.next();
    assert.equal(answer.id, 1);
    assert.match(errorText(answer), why);
    assert.equal((answer.error as JsonObject).code, code, errorText(answer));
  }
});

test('a session that the gateway ended is an error, and is never opened again behind the client’s back', async (t) => {
  const { bridge, arrival, seen } = await inSession(t);
  (await arrival()).response.writeHead(405).end();
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  const error = { code: -32600, message: 'No such transport session.' };
  (await arrival()).response.writeHead(404, JSON_TYPE).end(stringifyJson({ jsonrpc: '2.0', id: 1, error }));
  const answer = await bridge.next();
  assert.match(errorText(answer), /ended the session \(HTTP 404\): the client has to connect again/);
  assert.equal(((answer.error as JsonObject).data as JsonObject).reason, 'session_over');
  bridge.send(INITIALIZE);
  assert.match(errorText(await bridge.next()), /initialized already/);
  assert.equal(seen.filter(({ message }) => message.method === 'initialize').length, 1);
});

test('a connection that is lost during a request leaves its outcome unknown, and the request is not repeated', async (t) => {
  const { bridge, arrival, gateway, seen } = await bench(t);
  bridge.send(call(1));
  await arrival();
  gateway.front.drop();
  const answer = await bridge.next();
  assert.match(errorText(answer), /whether it acted on the message is not known/);
  assert.equal(((answer.error as JsonObject).data as JsonObject).reason, 'outcome_unknown');
  assert.equal(seen.length, 1);
});

test('what is no message is refused without being sent', async (t) => {
  const { bridge, seen } = await bench(t, answerJson);
  for (const [line, code] of [
    ['{', -32700],
    ['{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}', -32700],
    ['[]', -32600],
    ['"x"', -32600],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600],
    [stringifyJson(stateless(1, 'a\nb')), -32602],
    [stringifyJson(stateless(1, 'tools/list', { _meta: { [Object.keys(META)[0] ?? '']: 'ä' } })), -32602],
  ] as const) {
    bridge.send(line);
    assert.equal(((await bridge.next()).error as JsonObject).code, code, line);
  }
  bridge.send('   ');
  bridge.send(`{"jsonrpc":"2.0","id":1,"method":"${'x'.repeat(33_554_432)}"}`);
  assert.match(errorText(await bridge.next()), /larger than/);
  assert.equal((await bridge.ask(call('still there'))).id, 'still there');
  assert.equal(seen.length, 1);
});

test('an id in flight cannot be used again, and requests in flight are bounded', async (t) => {
  const { bridge, arrival } = await bench(t);
  bridge.send(call(1));
  const first = await arrival();
  const twice = await bridge.ask(call(1));
  assert.ok(!('id' in twice));
  assert.match(errorText(twice), /in flight/);
  for (let id = 2; id <= 48; id += 1) bridge.send(call(id));
  const refused = await bridge.ask(call(49));
  assert.deepEqual([refused.id, errorText(refused)], [49, 'cmcp connect: too many requests are in flight']);
  bridge.send(notification('notifications/cancelled', { requestId: 2 }));
  answerJson(first);
  assert.equal((await bridge.next()).id, 1);
});

test('a client that does not read is not written to without end [D-06]', async (t) => {
  const { bridge, arrival } = await bench(t);
  bridge.send(call(1));
  const { response } = await arrival();
  response.writeHead(200, STREAM_TYPE);
  const filler = event(stringifyJson(notification('notifications/progress', { pad: 'x'.repeat(100_000) })));
  // More than every buffer between here and the client can take.
  for (let i = 0; i < 400; i += 1) response.write(filler);
  response.end(event('{"jsonrpc":"2.0","id":1,"result":{}}'));
  let most = 0;
  while (!bridge.output.writableNeedDrain) await turn();
  for (let turns = 0; turns < 3000; turns += 1) {
    await turn();
    most = Math.max(most, bridge.output.readableLength + bridge.output.writableLength);
  }
  assert.ok(most < 4_000_000, `${most} bytes were held`);
  assert.ok(response.writableLength > 10_000_000);
  for (let i = 0; i < 400; i += 1) assert.equal((await bridge.next()).method, 'notifications/progress');
  assert.equal((await bridge.next()).id, 1);
});

test('the end of the client lets a request finish, then ends the session', async (t) => {
  const { bridge, arrival } = await inSession(t);
  (await arrival()).response.writeHead(405).end();
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  const list = await arrival();
  bridge.input.end();
  answerJson(list, { tools: [] });
  assert.equal((await bridge.next()).id, 1);
  const goodbye = await arrival();
  assert.equal(goodbye.method, 'DELETE');
  goodbye.response.writeHead(204).end();
  assert.equal(await bridge.done, 0);
});

test('a signal gives up what is under way, ends the session, and exits well', async (t) => {
  const { bridge, arrival } = await inSession(t);
  const stream = await arrival();
  stream.response.writeHead(200, STREAM_TYPE).write(': open\n\n');
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  await arrival();
  const stopped = bridge.stop();
  const goodbye = await arrival();
  assert.equal(goodbye.method, 'DELETE');
  goodbye.response.writeHead(204).end();
  assert.equal(await stopped, 0);
});

test('a session with a gateway that is refused later is not even taken leave of', async (t) => {
  const { bridge, arrival, gateway, seen } = await inSession(t);
  (await arrival()).response.writeHead(405).end();
  gateway.state = (truth) => ({ ...truth, policy_hash: `sha256:${'0'.repeat(64)}` });
  gateway.front.drop();
  const answer = await bridge.ask({ jsonrpc: '2.0', id: 1, method: 'ping' });
  assert.equal(((answer.error as JsonObject).data as JsonObject).reason, 'not_attested');
  assert.equal(await bridge.done, 1);
  assert.equal(gateway.attested, 2);
  assert.ok(seen.every(({ method }) => method !== 'DELETE'));
});

test('a server that keeps no session is told no id, and nobody takes leave of it', async (t) => {
  const { bridge, arrival, seen } = await inSession(t, '2025-06-18', null);
  (await arrival()).response.writeHead(405).end();
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const ping = await arrival();
  assert.equal(ping.headers['mcp-protocol-version'], '2025-06-18');
  assert.equal(ping.headers['mcp-session-id'], undefined);
  ping.response.writeHead(404).end();
  assert.match(errorText(await bridge.next()), /answered with HTTP 404/);
  assert.equal(await bridge.end(), 0);
  assert.ok(seen.every(({ method }) => method !== 'DELETE'));
});

test('the stream of a server is opened again when it ends, and not when it is refused', async (t) => {
  for (const [status, note] of [
    [405, null],
    [500, /can no longer speak first: HTTP 500/],
  ] as const) {
    const time = new ManualTime();
    const { bridge, arrival, seen } = await inSession(t, '2025-11-25', 'session-1', time);
    const first = await arrival();
    first.response.writeHead(200, STREAM_TYPE).end(': over\n\n');
    // The pause of a second begins when the end has arrived, which is not to be seen from here.
    for (const before = seen.length; seen.length === before; await turn()) time.advance(1);
    const second = await arrival();
    assert.equal(second.method, 'GET');
    second.response.writeHead(status).end();
    await pinged(bridge, arrival);
    time.advance(100_000);
    await pinged(bridge, arrival);
    assert.equal(seen.filter(({ method }) => method === 'GET').length, 2);
    const said = bridge.said.join('\n');
    if (note === null) assert.ok(!said.includes('speak first'), said);
    else assert.match(said, note);
  }
});

test('a stream that breaks goes on behind the last event, and anew where the gateway does not have that any more [MCP25-10]', async (t) => {
  const time = new ManualTime();
  const { bridge, arrival, seen } = await inSession(t, '2025-11-25', 'session-1', time);
  const next = async (): Promise<Received> => {
    for (const before = seen.length; seen.length === before; await turn()) time.advance(1);
    return arrival();
  };
  const said = (method: string) => ({ jsonrpc: '2.0', method });
  const first = await arrival();
  first.response.writeHead(200, STREAM_TYPE).end(`id: e-0\n${event(stringifyJson(said('notifications/a')))}`);
  assert.deepEqual(await bridge.next(), said('notifications/a'));
  const second = await next();
  assert.deepEqual([first.headers['last-event-id'], second.headers['last-event-id']], [undefined, 'e-0']);
  // Without an event of its own it goes on at the same place.
  second.response.writeHead(200, STREAM_TYPE).end(': open\n\n');
  const third = await next();
  assert.equal(third.headers['last-event-id'], 'e-0');
  third.response.writeHead(400).end();
  const fourth = await next();
  assert.equal(fourth.headers['last-event-id'], undefined);
  assert.match(bridge.said.join('\n'), /what was said on it meanwhile is lost/);
  fourth.response.writeHead(200, STREAM_TYPE).write(event(stringifyJson(said('notifications/b'))));
  assert.deepEqual(await bridge.next(), said('notifications/b'));
});

/** A request and its answer: what was sent before has arrived by then. */
async function pinged(bridge: Bridged, arrival: () => Promise<Received>): Promise<void> {
  bridge.send({ jsonrpc: '2.0', id: 'p', method: 'ping' });
  answerJson(await arrival());
  assert.equal((await bridge.next()).id, 'p');
}

test('a client that is gone ends the bridge, and its session', async (t) => {
  const { bridge, arrival } = await inSession(t);
  (await arrival()).response.writeHead(405).end();
  bridge.output.destroy();
  const goodbye = await arrival();
  assert.equal(goodbye.method, 'DELETE');
  goodbye.response.writeHead(204).end();
  assert.equal(await bridge.done, 0);
});

test('a handshake that agrees on nothing opens no session', async (t) => {
  const { bridge, arrival } = await bench(t);
  for (const [answer, headers, why] of [
    [{ capabilities: {} }, {}, /names no protocol version/],
    [{ protocolVersion: 'a\nb' }, {}, /names no protocol version/],
    [{ protocolVersion: '2025-11-25' }, { 'mcp-session-id': 'a b' }, /session id/],
  ] as const) {
    bridge.send(INITIALIZE);
    answerJson(await arrival(), answer, headers);
    assert.match(errorText(await bridge.next()), why);
  }
});

test('whatever a gateway answers, a request gets one answer and the bridge goes on', async (t) => {
  const { bridge, arrival } = await bench(t);
  const piece = fc.oneof(
    fc.constantFrom('data: ', '\n', '\n\n', '\r', ':', '{"jsonrpc":"2.0","id":"x","result":{}}', '{"jsonrpc":"2.0",'),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.json(),
  );
  const types = ['application/json', 'text/event-stream', 'text/plain', 'application/json; charset=utf-8', ''];
  const answers = fc.record({
    status: fc.constantFrom(200, 200, 200, 202, 204, 302, 400, 401, 404, 500, 503),
    type: fc.constantFrom(...types),
    pieces: fc.array(piece, { maxLength: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(answers, async ({ status, type, pieces }) => {
      bridge.send(call('x'));
      (await arrival()).response.writeHead(status, { 'content-type': type }).end(pieces.join(''));
      let answer = await bridge.next();
      // What came before the response on a stream may have been a message of its own.
      while (answer.method !== undefined) answer = await bridge.next();
      assert.equal(answer.id, 'x');
      assert.ok((answer.result === undefined) !== (answer.error === undefined));
    }),
    { numRuns: 150 },
  );
});

test('a notification that the gateway does not accept in time no longer holds up what comes after it', async (t) => {
  const time = new ManualTime();
  const { bridge, arrival } = await bench(t, undefined, time);
  bridge.send(notification('notifications/progress', { progressToken: 1, progress: 1 }));
  const stuck = await arrival();
  assert.equal(stuck.headers['mcp-method'], 'notifications/progress');
  assert.equal(stuck.headers['mcp-protocol-version'], VERSION);
  bridge.send(call(1));
  await turn();
  const closed = once(stuck.response, 'close');
  time.advance(10_000);
  answerJson(await arrival());
  assert.equal((await bridge.next()).id, 1);
  await closed;
  assert.match(bridge.said.join('\n'), /notifications\/progress was not passed on/);
});

test('a request that is not answered does not keep the bridge when the client has gone', async (t) => {
  const time = new ManualTime();
  const { bridge, arrival } = await bench(t, undefined, time);
  bridge.send(call(1));
  await arrival();
  bridge.input.end();
  await turn();
  let over = false;
  const done = bridge.done.then((code) => {
    over = true;
    return code;
  });
  time.advance(9_999);
  await turn();
  assert.equal(over, false);
  while (!over) {
    time.advance(1);
    await turn();
  }
  assert.equal(await done, 0);
});

test('a stream that the gateway does not end after the response is closed', async (t) => {
  const time = new ManualTime();
  const { bridge, arrival } = await bench(t, undefined, time);
  bridge.send(call(1));
  const received = await arrival();
  received.response.writeHead(200, STREAM_TYPE).write(event(result(received)));
  assert.equal((await bridge.next()).id, 1);
  const closed = once(received.response, 'close');
  time.advance(1_000);
  await closed;
});
