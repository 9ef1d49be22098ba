import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { front, objectAt } from '../support/behaviour.ts';
import { envelope, errorOf, initialize, inSession, modern } from '../support/ingress.ts';
import { EVERYTHING, Events, Peer } from '../support/peer.ts';
import { answerJson, connect, type Received, resultFor, textOf, textResult } from '../support/upstreams.ts';

const FAMILIES = ['2026-07-28', 'handshake'] as const;
const said = textResult('hi') as JsonObject;
const call = (args: JsonObject = {}, headers: Record<string, string> = {}, meta: JsonObject = {}) =>
  modern('tools/call', { name: 'echo', arguments: args, _meta: envelope(meta) }, { headers });
const handshakeCall = (id: string | number, meta: JsonObject = {}): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'echo', arguments: { text: String(id) }, _meta: meta },
});
const ELICIT = { message: 'Who?', requestedSchema: { type: 'object', properties: { who: { type: 'string' } } } };
const ASKABLE = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } };
const progressOf = ({ message }: Received, progress: number): JsonObject => ({
  progressToken: String(message.params?._meta?.progressToken),
  progress,
});

test('an origin that is not allowed is refused on every request, whatever its method [B26-302] [B25-302]', async (t) => {
  const gateway = await front(t, { peer: await Peer.listening(t, { family: 'handshake' }) });
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS']) {
    for (const Origin of ['https://evil.example', 'null', 'http://127.0.0.1.evil.example']) {
      const sent = inSession(session, handshakeCall(1), { headers: { Origin } });
      assert.equal((await gateway.send({ ...sent, method })).status, 403, `${method} ${Origin}`);
    }
  }
});

test('each message to a server is a POST of its own, one message, and accepts JSON and event streams [B26-303] [B25-303]', async (t) => {
  for (const family of FAMILIES) {
    const peer = await Peer.listening(t, { family });
    peer.answer('tools/call', said);
    const gateway = await front(t, { peer });
    await Promise.all([gateway.send(call()), gateway.send(call())]);
    const posts = peer.received.filter(({ method }) => method === 'POST');
    assert.ok(posts.length >= 5);
    for (const { message, headers } of posts) {
      assert.equal(Array.isArray(message), false);
      const accepted = String(headers.accept).split(/, */);
      assert.ok(accepted.includes('application/json') && accepted.includes('text/event-stream'), family);
    }
    const messages = peer.received.filter(({ message }) => message.method === undefined && message.id !== undefined);
    assert.equal(messages.length, 0);
  }
});

test('a server of 2026-07-28 is never sent a response, not even to a request that it must not send [B26-304]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.on('tools/call', ({ message, response }) => {
    const events = new Events(response).ask(1, 'ping').ask('2', 'elicitation/create', ELICIT).ask('3', 'roots/list');
    events.send(resultFor(message, said)).end();
  });
  const gateway = await front(t, { peer, asks: ['elicit', 'list_roots'] });
  assert.ok('result' in (await gateway.send(call({}, {}, ASKABLE))).json);
  await gateway.send(call());
  assert.equal(peer.all('response').length, 0);
});

test('a request is answered with one JSON object, or with a stream when something is said before its answer [B26-306] [B25-306] [B26-301] [B25-301]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.on('tools/call', (request) => {
    const { message, response } = request;
    if (message.params?._meta?.progressToken === undefined) answerJson(response, resultFor(message, said));
    else
      new Events(response).tell('notifications/progress', progressOf(request, 1)).send(resultFor(message, said)).end();
  });
  const gateway = await front(t, { peer });
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  for (const [plain, streamed] of [
    [call(), call({}, {}, { progressToken: 'p' })],
    [inSession(session, handshakeCall(1)), inSession(session, handshakeCall(2, { progressToken: 'p' }))],
  ] as const) {
    const body = await gateway.send(plain);
    assert.deepEqual([body.status, body.headers['content-type']], [200, 'application/json']);
    const stream = await gateway.stream(streamed);
    assert.deepEqual([stream.status, stream.headers['content-type']], [200, 'text/event-stream']);
    const [first, last, ...more] = (await stream.rest()).flatMap(({ message }) => (message === null ? [] : [message]));
    assert.deepEqual([first?.method, more], ['notifications/progress', []]);
    assert.ok(last !== undefined && 'result' in last);
  }
  const listening = await gateway.stream({ ...inSession(session, undefined as never), method: 'GET' });
  assert.equal(listening.headers['content-type'], 'text/event-stream');
  listening.close();
});

test('what a stream carries before its answer belongs to its own request, however many run [B26-308] [B26-514]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const held: Received[] = [];
  peer.on('tools/call', (request) => {
    held.push(request);
    if (held.length < 2) return;
    const [one, two] = held as [Received, Received];
    const streams = [new Events(one.response), new Events(two.response)] as const;
    // Each stream brings progress of the other request too, and of nothing that was asked.
    streams[0].tell('notifications/progress', progressOf(two, 7)).tell('notifications/progress', progressOf(one, 1));
    streams[1].tell('notifications/progress', progressOf(one, 8)).tell('notifications/progress', progressOf(two, 2));
    streams[0].tell('notifications/progress', { progressToken: 'unheard', progress: 9 });
    streams[0].send(resultFor(one.message, said)).end();
    streams[1].send(resultFor(two.message, said)).end();
  });
  const gateway = await front(t, { peer });
  const one = gateway.stream(call({ text: 'one' }, {}, { progressToken: 'a' }));
  await peer.reached('tools/call');
  const two = gateway.stream(call({ text: 'two' }, {}, { progressToken: 'b' }));
  for (const [stream, token, progress] of [
    [await one, 'a', 1],
    [await two, 'b', 2],
  ] as const) {
    const notifications = (await stream.rest()).flatMap(({ message }) =>
      message?.method === undefined ? [] : [message.params],
    );
    assert.deepEqual(notifications, [{ progressToken: token, progress }]);
  }
});

test('no request is sent to a client of 2026-07-28: a server that asks is heard through the answer [B26-309] [B26-521]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.on('tools/call', (request) => {
    new Events(request.response)
      .tell('notifications/progress', progressOf(request, 1))
      .ask('q', 'elicitation/create', ELICIT);
  });
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const stream = await gateway.stream(call({}, {}, { ...ASKABLE, progressToken: 'p' }));
  const messages = (await stream.rest()).flatMap(({ message }) => (message === null ? [] : [message]));
  assert.deepEqual(
    messages.map((message) => message.method),
    ['notifications/progress', undefined],
  );
  const result = messages.at(-1)?.result as JsonObject;
  assert.equal(result.resultType, 'input_required');
  assert.equal(Object.values(result.inputRequests as Record<string, JsonObject>)[0]?.method, 'elicitation/create');
});

test('a server of 2026-07-28 is sent headers that repeat the body, with every kind of value in the form of the protocol [B26-313] [B26-317] [B26-319] [B26-321] [B26-322]', async (t) => {
  const mirrored = (name: string, type: string): JsonObject => ({ type, 'x-mcp-header': name });
  const inputSchema = {
    type: 'object',
    properties: {
      text: mirrored('Text', 'string'),
      count: mirrored('Count', 'integer'),
      sure: mirrored('Sure', 'boolean'),
      deep: { type: 'object', properties: { er: mirrored('Deeper', 'string') } },
    },
  };
  const peer = await Peer.listening(t, {
    family: '2026-07-28',
    offered: { ...EVERYTHING, tools: [{ name: 'echo', inputSchema }] },
  });
  peer.answer('tools/call', said);
  const gateway = await front(t, { peer });
  const b64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;
  const cases: [JsonObject, Record<string, string>][] = [
    [
      { text: 'us-west1', count: 42, sure: true, deep: { er: 'x' } },
      { Text: 'us-west1', Count: '42', Sure: 'true', Deeper: 'x' },
    ],
    [
      { text: 'Hello, 世界', count: -7, sure: false },
      { Text: b64('Hello, 世界'), Count: '-7', Sure: 'false' },
    ],
    [{ text: ' padded ' }, { Text: b64(' padded ') }],
    [{ text: 'line1\nline2' }, { Text: b64('line1\nline2') }],
    [{ text: '=?base64?literal?=' }, { Text: b64('=?base64?literal?=') }],
    [{}, {}],
  ];
  for (const [args, expected] of cases) {
    const headers = Object.fromEntries(Object.entries(expected).map(([name, value]) => [`Mcp-Param-${name}`, value]));
    const answer = await gateway.send(call(args, headers));
    assert.ok('result' in answer.json, answer.text);
    const { headers: sent, message } = peer.all('tools/call').at(-1) as Received;
    assert.deepEqual(
      [sent['mcp-protocol-version'], sent['mcp-method'], sent['mcp-name']],
      ['2026-07-28', 'tools/call', 'echo'],
    );
    assert.equal(message.params?._meta?.['io.modelcontextprotocol/protocolVersion'], '2026-07-28');
    const params = Object.entries(sent).filter(([name]) => name.startsWith('mcp-param-'));
    const lower = Object.entries(expected).map(([name, value]) => [`mcp-param-${name.toLowerCase()}`, value]);
    assert.deepEqual(new Map(params as [string, string][]), new Map(lower as [string, string][]));
  }
});

test('a name or URI that no header can carry as it is goes encoded [B26-318]', async (t) => {
  const tools = [{ name: 'grüße', inputSchema: { type: 'object' } }];
  const peer = await Peer.listening(t, { family: '2026-07-28', offered: { ...EVERYTHING, tools } });
  peer.answer('tools/call', said);
  const gateway = await front(t, { peer, tool: { name: 'greetings', upstream_name: 'grüße' } });
  assert.ok('result' in (await gateway.send(modern('tools/call', { name: 'greetings', arguments: {} }))).json);
  const [sent] = peer.all('tools/call');
  assert.equal(sent?.headers['mcp-name'], `=?base64?${Buffer.from('grüße').toString('base64')}?=`);
});

test('a tool whose header annotations break a rule is not offered, and the others stay [B26-320]', async (t) => {
  const annotated = (annotation: unknown, type = 'string'): JsonObject => ({
    type: 'object',
    properties: { a: { type, 'x-mcp-header': annotation as string } },
  });
  const bad: Record<string, JsonObject> = {
    empty: annotated(''),
    space: annotated('A B'),
    split: annotated('A\r\nB'),
    number: annotated('A', 'number'),
    object: annotated('A', 'object'),
    twice: {
      type: 'object',
      properties: { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } },
    },
    items: { type: 'object', properties: { l: { type: 'array', items: { type: 'string', 'x-mcp-header': 'A' } } } },
    any: { type: 'object', anyOf: [{ properties: { a: { type: 'string', 'x-mcp-header': 'A' } } }] },
  };
  const tools = [...Object.entries(bad).map(([name, inputSchema]) => ({ name, inputSchema })), ...EVERYTHING.tools];
  const peer = await Peer.listening(t, { family: '2026-07-28', offered: { ...EVERYTHING, tools } });
  peer.answer('tools/call', said);
  const { upstream, call: direct } = connect(t, { kind: 'http', url: peer.url, tlsFingerprint: null });
  const listed = await upstream.list('tools', new AbortController().signal);
  assert.deepEqual(
    listed.map(({ key }) => key),
    ['echo'],
  );
  assert.equal(textOf(await direct('echo')), 'hi');
});

test('names of headers are compared without their case, on both sides [B26-327]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('tools/call', said).on('initialize', ({ message, response }) => {
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'p', version: '1' },
    };
    response.writeHead(200, { 'CONTENT-TYPE': 'Application/JSON', 'MCP-SESSION-ID': 'Session' });
    response.end(JSON.stringify(resultFor(message, result)));
  });
  const gateway = await front(t, { peer });
  const { body, headers = {} } = call();
  const odd = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
  assert.ok('result' in (await gateway.send({ body: body as JsonObject, headers: odd })).json);
  assert.equal(peer.all('tools/call')[0]?.headers['mcp-session-id'], 'Session');
});

test('a header for a parameter that the tool does not mirror is ignored, and not handed on [B26-328]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', said);
  const gateway = await front(t, { peer });
  assert.ok(
    'result' in (await gateway.send(call({ text: 'a' }, { 'Mcp-Param-Unheard': 'x', 'Mcp-Param-Text': 'y' }))).json,
  );
  const sent = Object.keys(peer.all('tools/call')[0]?.headers ?? {}).filter((name) => name.startsWith('mcp-param-'));
  assert.deepEqual(sent, []);
});

test('a mirrored argument whose header has illegal characters or is broken is refused [B26-324]', async (t) => {
  const inputSchema = { type: 'object', properties: { text: { type: 'string', 'x-mcp-header': 'Text' } } };
  const offered = { ...EVERYTHING, tools: [{ name: 'echo', inputSchema }] };
  const peer = await Peer.listening(t, { family: '2026-07-28', offered });
  const gateway = await front(t, { peer });
  for (const value of ['caf\u00e9', '=?base64?!!?=', '=?base64?w6k?=', '']) {
    const answer = await gateway.send(call({ text: 'é' }, { 'Mcp-Param-Text': value }));
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32020], value);
  }
  assert.equal(peer.all('tools/call').length, 0);
});

test('after the client closed the stream nothing is said of its request, and the server is let go [B26-310] [B26-505]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const closed = Promise.withResolvers<void>();
  peer.on('tools/call', (request) => {
    request.response.on('close', () => closed.resolve());
    new Events(request.response).tell('notifications/progress', progressOf(request, 1));
  });
  const gateway = await front(t, { peer });
  const stream = await gateway.stream(call({}, {}, { progressToken: 'p' }));
  assert.equal((await stream.next())?.method, 'notifications/progress');
  stream.close();
  await closed.promise;
  assert.equal(peer.all('notifications/cancelled').length, 0);
});

test('a server may answer with JSON or with a stream, and both are understood [B26-307] [B25-319]', async (t) => {
  for (const family of FAMILIES) {
    const peer = await Peer.listening(t, { family });
    peer.on('tools/call', ({ message, response }) => {
      if (message.params?.arguments?.text === 'json') answerJson(response, resultFor(message, said));
      else new Events(response).send(resultFor(message, said)).end();
    });
    const gateway = await front(t, { peer });
    for (const text of ['json', 'stream']) {
      const { json } = await gateway.send(call({ text }));
      assert.deepEqual(objectAt(json, 'result').content, said.content);
    }
  }
});

test('a session that its server does not know any more is opened anew, without its id [B25-316]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.on('tools/call', ({ message, headers, response }) => {
    if (headers['mcp-session-id'] === 'session-1') response.writeHead(404).end();
    else answerJson(response, resultFor(message, said));
  });
  const gateway = await front(t, { peer });
  assert.ok('result' in (await gateway.send(call())).json);
  assert.deepEqual(
    peer.all('initialize').map(({ headers }) => headers['mcp-session-id']),
    [undefined, undefined],
  );
  assert.deepEqual(
    peer.all('tools/call').map(({ headers }) => headers['mcp-session-id']),
    ['session-1', 'session-2'],
  );
});

test('a server of the handshake is spoken to in its session until the end, and asked for streams as the protocol says [B25-314] [B25-320]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('tools/call', said).on('GET', ({ response }) => void new Events(response));
  const gateway = await front(t, { peer });
  await gateway.send(call());
  const { headers } = await peer.reached('GET');
  assert.ok(String(headers.accept).includes('text/event-stream'));
  await gateway.bed.stop();
  await peer.reached('DELETE');
  const from = peer.received.findIndex(({ message }) => message.method === 'initialize') + 1;
  for (const { headers: sent, method } of peer.received.slice(from))
    assert.equal(sent['mcp-session-id'], 'session-1', method);
});

test('how long a stream says to wait before it is taken up again is respected [B25-307]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const waits: number[] = [];
  peer.on('tools/call', ({ message, response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`id: e1\nretry: 4321\ndata:\n\n`);
    peer.on('GET', (again) => {
      if (again.headers['last-event-id'] !== 'e1') again.response.writeHead(405).end();
      else new Events(again.response).send(resultFor(message, said)).end();
    });
  });
  const after = (ms: number, run: () => void): (() => void) => {
    waits.push(ms);
    // What is waited for is waited for no longer than it takes to see it; time limits are never reached.
    const timer = setTimeout(run, ms === 4321 ? 0 : ms).unref();
    return () => clearTimeout(timer);
  };
  const { call: direct } = connect(
    t,
    { kind: 'http', url: peer.url, tlsFingerprint: null },
    {},
    { timers: { after, nowMs: () => performance.now() } },
  );
  assert.equal(textOf(await direct('echo')), 'hi');
  assert.ok(waits.includes(4321));
});

test('the standalone stream carries no answers, and each announcement goes out on one stream only [B25-309] [B25-310] [B25-682]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const standing = Promise.withResolvers<Events>();
  peer.on('GET', ({ response }) => standing.resolve(new Events(response)));
  const held: Received[] = [];
  peer.on('tools/call', (request) => held.push(request));
  const gateway = await front(t, { peer });
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  const listening = await gateway.stream({ ...inSession(session, undefined as never), method: 'GET' });
  const calls = [1, 2].map((id) => gateway.stream(inSession(session, handshakeCall(id, { progressToken: id }))));
  await peer.reached('tools/call', 2);
  const streams = held.map((request) =>
    new Events(request.response).tell('notifications/message', { level: 'error', data: 'x' }),
  );
  const open = await Promise.all(calls);
  (await standing.promise).tell('notifications/resources/list_changed');
  const announced = await listening.next();
  assert.equal(announced?.method, 'notifications/resources/list_changed');
  for (const [index, request] of held.entries()) streams[index]?.send(resultFor(request.message, said)).end();
  const ofCalls = await Promise.all(open.map((stream) => stream.rest()));
  for (const events of ofCalls) {
    const methods = events.flatMap(({ message }) => (message === null ? [] : [message.method ?? 'answer']));
    assert.deepEqual(methods, ['notifications/message', 'answer']);
  }
  await gateway.send({ ...inSession(session, undefined as never), method: 'DELETE' });
  const rest = (await listening.rest()).flatMap(({ message }) => (message === null ? [] : [message]));
  assert.deepEqual(
    rest.filter((message) => message.method !== 'ping'),
    [],
  );
});

test('event ids are unique in a session, and a stream that is taken up again brings what was its own [B25-311] [B25-312]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const held: Received[] = [];
  peer.on('tools/call', (request) => held.push(request));
  const gateway = await front(t, { peer });
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  const calls = [1, 2].map((id) => gateway.stream(inSession(session, handshakeCall(id, { progressToken: id }))));
  await peer.reached('tools/call', 2);
  const upstream = held.map((request) =>
    new Events(request.response).tell('notifications/progress', progressOf(request, 1)),
  );
  const [one, two] = await Promise.all(calls);
  const ids = new Set<string>();
  const upTo = async (stream: typeof one): Promise<string> => {
    for (;;) {
      const event = await stream?.block();
      if (event?.id !== undefined) {
        assert.equal(ids.has(event.id), false);
        ids.add(event.id);
      }
      if (event?.message?.method === 'notifications/progress') return event.id ?? '';
    }
  };
  const seen = [await upTo(one), await upTo(two)];
  one?.close();
  held.forEach((request, index) => {
    upstream[index]
      ?.tell('notifications/progress', progressOf(request, 2))
      .send(resultFor(request.message, said))
      .end();
  });
  const rest = (await two?.rest()) ?? [];
  const resumed = await gateway.stream({
    ...inSession(session, undefined as never, { headers: { 'Last-Event-ID': seen[0] ?? '' } }),
    method: 'GET',
  });
  const again = await resumed.rest();
  for (const { id } of [...rest, ...again]) {
    if (id === undefined) continue;
    assert.equal(ids.has(id), false);
    ids.add(id);
  }
  const messages = again.flatMap(({ message }) => (message === null ? [] : [message]));
  assert.deepEqual(
    messages.map(({ method, id }) => method ?? id),
    ['notifications/progress', 1],
  );
  assert.deepEqual(messages[0]?.params, { progressToken: 1, progress: 2 });
});

test('a session that has ended is not found, and the header of a version that is not spoken is a bad request [B25-315] [B25-317]', async (t) => {
  const gateway = await front(t, { peer: await Peer.listening(t, { family: 'handshake' }) });
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  assert.match(session, /^[\x21-\x7e]+$/);
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  for (const version of ['1999-01-01', 'x', '']) {
    const answer = await gateway.send(inSession(session, list, { headers: { 'MCP-Protocol-Version': version } }));
    assert.equal(answer.status, 400);
  }
  await gateway.send({ ...inSession(session, undefined as never), method: 'DELETE' });
  for (const body of [list, { jsonrpc: '2.0', method: 'notifications/initialized' }]) {
    assert.equal((await gateway.send(inSession(session, body))).status, 404);
  }
});
