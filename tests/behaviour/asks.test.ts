import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import type { AskKind } from '../../packages/gateway/src/mcp/asks.ts';
import { type Front, front, OTHER, objectAt } from '../support/behaviour.ts';
import { envelope, errorOf, initialize, inSession, modern, type OpenStream } from '../support/ingress.ts';
import { Events, Peer } from '../support/peer.ts';
import { type Received, resultFor, textResult } from '../support/upstreams.ts';

const ASKS: AskKind[] = ['elicit', 'sample', 'list_roots'];
const ABLE = { elicitation: { form: {}, url: {} }, sampling: { tools: {}, context: {} }, roots: {} };
const FORM = { message: 'Who?', requestedSchema: { type: 'object', properties: { who: { type: 'string' } } } };
const said = textResult('done') as JsonObject;
const textBlock = (text: string): JsonObject => ({ type: 'text', text });
const message = (role: string, content: JsonObject | JsonObject[]): JsonObject => ({ role, content });
const SAMPLING = { messages: [message('user', textBlock('q'))], maxTokens: 5 };
const SAMPLED = { role: 'assistant', content: textBlock('a'), model: 'm', stopReason: 'endTurn' };

/** A handshake agent in front of a handshake server that asks one thing during a call, and how both end. */
interface Conversation {
  gateway: Front;
  peer: Peer;
  stream: OpenStream;
  /** What the agent is asked; null where the next thing that it hears is its answer. */
  question: JsonObject | null;
  /** The agent's answer, and what the server then hears. */
  reply(result: JsonObject): Promise<JsonObject>;
  /** What the server hears. */
  heard: Promise<JsonObject>;
}

async function conversation(
  t: TestContext,
  method: string,
  params: JsonObject,
  more: { able?: JsonObject; asks?: AskKind[]; policies?: Record<string, string> } = {},
): Promise<Conversation> {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const heard = Promise.withResolvers<JsonObject>();
  peer.on('tools/call', ({ message: call, response }) => {
    const events = new Events(response).ask('q', method, params);
    peer.on('response', (received: Received) => {
      received.response.writeHead(202).end();
      heard.resolve(received.message as JsonObject);
      events.send(resultFor(call, said)).end();
    });
  });
  const { able = ABLE, asks = ASKS, policies } = more;
  const gateway = await front(t, { peer, asks, ...(policies === undefined ? {} : { policies }) });
  const session = String((await gateway.send(initialize('2025-11-25', able))).headers['mcp-session-id']);
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const stream = await gateway.stream(inSession(session, body));
  const first = stream.headers['content-type'] === 'text/event-stream' ? await stream.next() : null;
  const question = first?.method === undefined ? null : first;
  return {
    gateway,
    peer,
    stream,
    question,
    reply: async (result) => {
      await gateway.send(inSession(session, { jsonrpc: '2.0', id: question?.id ?? 0, result }));
      return await heard.promise;
    },
    heard: heard.promise,
  };
}

/** What a client of 2026-07-28 gets when its server of 2026-07-28 wants `request`. */
async function wanted(t: TestContext, request: JsonObject, capabilities: JsonObject = ABLE): Promise<JsonObject> {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', { resultType: 'input_required', inputRequests: { q: request } });
  const gateway = await front(t, { peer, asks: ASKS });
  const _meta = envelope({ 'io.modelcontextprotocol/clientCapabilities': capabilities });
  return (await gateway.send(modern('tools/call', { name: 'echo', arguments: {}, _meta }))).json;
}

const elicit = (params: JsonObject): JsonObject => ({ method: 'elicitation/create', params });
const url = (address: string): JsonObject => ({ mode: 'url', message: 'Go', url: address, elicitationId: 'e' });

test('no form asks for a secret, in whichever revision it is asked [B26-701] [B25-701]', async (t) => {
  const secret = { message: 'x', requestedSchema: { type: 'object', properties: { apiKey: { type: 'string' } } } };
  const asked = await wanted(t, elicit(secret));
  assert.equal(((asked.error as JsonObject).data as JsonObject).error_code, 'ASK_REFUSED');
  const { question, heard } = await conversation(t, 'elicitation/create', secret);
  assert.equal(question, null);
  assert.ok('error' in (await heard));
});

test('a client is asked in the modes that it declared, and a request without a mode is a form [B26-702] [B26-703] [B25-702] [B25-703]', async (t) => {
  for (const [able, params, reaches] of [
    [{ elicitation: {} }, FORM, true],
    [{ elicitation: { form: {} } }, { ...FORM, mode: 'form' }, true],
    [{ elicitation: { url: {} } }, FORM, false],
    [{ elicitation: {} }, url('https://a.example/x'), false],
    [{ elicitation: { url: {} } }, url('https://a.example/x'), true],
    [{}, FORM, false],
  ] as [JsonObject, JsonObject, boolean][]) {
    const { question, stream } = await conversation(t, 'elicitation/create', params, { able });
    assert.equal(question !== null, reaches, JSON.stringify(able));
    assert.deepEqual(
      question === null ? undefined : objectAt(question, 'params').requestedSchema,
      reaches ? params.requestedSchema : undefined,
    );
    stream.close();
    const modernAnswer = await wanted(t, elicit(params), able);
    assert.equal('result' in modernAnswer, reaches, JSON.stringify(able));
  }
});

test('a server that asks in a mode that the client did not declare hears that its parameters are wrong [B25-707]', async (t) => {
  const { question, heard } = await conversation(t, 'elicitation/create', url('https://a.example/'), {
    able: { elicitation: {} },
  });
  assert.equal(question, null);
  assert.equal(((await heard).error as JsonObject).code, -32602);
});

test('an elicitation without what it must have goes nowhere [B26-704] [B25-704]', async (t) => {
  for (const params of [
    { requestedSchema: FORM.requestedSchema },
    { message: 'x' },
    { message: 'x', requestedSchema: { type: 'string' } },
    { message: 'x', mode: 'url' },
    { message: 'x', mode: 'url', url: 'no url' },
    { mode: 'url', url: 'https://a.example/' },
    { message: 'x', mode: 'dance' },
  ] as JsonObject[]) {
    assert.equal('result' in (await wanted(t, elicit(params))), false, JSON.stringify(params));
  }
  // What 2025-11-25 must have and 2026-07-28 does not: each way by URL has an id of its own.
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const { elicitationId: _, ...withoutId } = url('https://a.example/x');
  peer.answer('tools/call', {
    resultType: 'input_required',
    inputRequests: { q: elicit(withoutId), r: elicit(withoutId) },
  });
  const gateway = await front(t, { peer, asks: ASKS });
  const session = String((await gateway.send(initialize('2025-11-25', ABLE))).headers['mcp-session-id']);
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const stream = await gateway.stream(inSession(session, body));
  const ids = [await stream.next(), await stream.next()].map((question) => objectAt(question, 'params').elicitationId);
  assert.ok(ids.every((id) => typeof id === 'string' && id !== '') && ids[0] !== ids[1]);
  stream.close();
});

test('a server is told that it may elicit, sample or list roots where the catalog and its client agree, and never of no mode at all [B26-705] [B26-721] [B26-742] [B25-705] [B25-721] [B25-741] [B25-742]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  peer.answer('tools/call', said);
  const key = 'io.modelcontextprotocol/clientCapabilities';
  const gateway = await front(t, { peer, asks: ASKS });
  const cases: [JsonObject, JsonObject][] = [
    [ABLE, ABLE],
    [{ elicitation: {} }, { elicitation: { form: {} } }],
    [
      { sampling: {}, roots: { listChanged: true } },
      { sampling: {}, roots: {} },
    ],
    [{}, {}],
  ];
  for (const [declared, expected] of cases) {
    await gateway.send(modern('tools/call', { name: 'echo', arguments: {}, _meta: envelope({ [key]: declared }) }));
    assert.deepEqual(peer.all('tools/call').at(-1)?.message.params?._meta?.[key], expected);
  }
  const silent = await Peer.listening(t, { family: '2026-07-28' });
  silent.answer('tools/call', said);
  const unasked = await front(t, { peer: silent });
  await unasked.send(modern('tools/call', { name: 'echo', arguments: {}, _meta: envelope({ [key]: ABLE }) }));
  assert.deepEqual(silent.all('tools/call')[0]?.message.params?._meta?.[key], {});
  for (const asks of [[], ['elicit'], ['sample', 'list_roots']] as AskKind[][]) {
    const old = await Peer.listening(t, { family: 'handshake' });
    old.answer('tools/call', said);
    await (await front(t, { peer: old, asks })).send(modern('tools/call', { name: 'echo', arguments: {} }));
    const offered = Object.keys(old.all('initialize')[0]?.message.params?.capabilities ?? {}).sort();
    const names: Record<AskKind, string> = { elicit: 'elicitation', sample: 'sampling', list_roots: 'roots' };
    assert.deepEqual(offered, asks.map((ask) => names[ask]).sort());
    // No word of changed roots is promised, so none is owed.
    const roots = old.all('initialize')[0]?.message.params?.capabilities?.roots;
    assert.deepEqual(roots, asks.includes('list_roots') ? {} : undefined);
  }
});

test('whatever the user decides reaches the server as decided [B26-707] [B25-708]', async (t) => {
  for (const result of [
    { action: 'accept', content: { who: 'Ada' } },
    { action: 'decline' },
    { action: 'cancel' },
  ] as JsonObject[]) {
    const { reply, stream } = await conversation(t, 'elicitation/create', FORM);
    assert.deepEqual((await reply(result)).result, result);
    assert.ok('result' in ((await stream.next()) ?? {}));
  }
});

test('the address that a user is sent to is shown and nothing else: the gateway does not visit it [B26-708] [B25-709]', async (t) => {
  const hits: string[] = [];
  const listener = createServer((request, response) => {
    hits.push(request.url ?? '');
    response.end();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  const address = `https://127.0.0.1:${(listener.address() as AddressInfo).port}/connect`;
  listener.on('connection', () => hits.push('connected'));
  const { question, reply } = await conversation(t, 'elicitation/create', url(address));
  assert.equal(objectAt(question, 'params').url, address);
  await reply({ action: 'accept' });
  assert.deepEqual(hits, []);
});

test('no address with credentials in it is handed on [B26-709] [B25-710]', async (t) => {
  for (const address of [
    'https://ada:pw@a.example/',
    'https://a.example/?access_token=x',
    'https://a.example/?password=x',
    'http://a.example/',
  ]) {
    assert.equal('result' in (await wanted(t, elicit(url(address)))), false, address);
  }
});

test('who the user is comes from the credential, whatever the client or its answers say [B26-710] [B26-706] [B25-712]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.on('tools/call', ({ response }) => void new Events(response).ask('q', 'elicitation/create', FORM));
  const gateway = await front(t, { peer, asks: ASKS });
  const first = await gateway.send(initialize('2025-11-25', ABLE));
  const session = String(first.headers['mcp-session-id']);
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const stream = await gateway.stream(inSession(session, body));
  const question = await stream.next();
  const answer = { jsonrpc: '2.0', id: question?.id ?? 0, result: { action: 'accept', content: { who: 'agent' } } };
  const stolen = await gateway.send({ ...inSession(session, answer), credential: OTHER });
  assert.equal(stolen.status, 404);
  assert.equal(peer.all('response').length, 0);
  stream.close();
});

test('nothing of a client’s own credential reaches a server [B26-711] [B25-713]', async (t) => {
  for (const family of ['2026-07-28', 'handshake'] as const) {
    const peer = await Peer.listening(t, { family });
    peer.answer('tools/call', said);
    const gateway = await front(t, { peer });
    await gateway.send(modern('tools/call', { name: 'echo', arguments: {} }));
    for (const { headers } of peer.received) {
      assert.equal(headers.authorization, undefined);
      assert.equal(JSON.stringify(headers).includes('agent-token'), false);
    }
  }
});

test('a client is not told that an elicitation ended that it does not know, nor to elicit by an error [B25-711] [B25-706]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const elicitations = [url('https://a.example/')];
  peer.on('tools/call', ({ message: call, response }) => {
    const events = new Events(response).tell('notifications/elicitation/complete', { elicitationId: 'unknown' });
    events
      .send({ jsonrpc: '2.0', id: call.id, error: { code: -32042, message: 'first go there', data: { elicitations } } })
      .end();
  });
  const gateway = await front(t, { peer, asks: ASKS });
  const session = String((await gateway.send(initialize('2025-11-25', ABLE))).headers['mcp-session-id']);
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const answer = await gateway.send(inSession(session, body));
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.notEqual(errorOf(answer).code, -32042);
});

test('a model is given tools only where the client declared that it can be [B26-722] [B25-722]', async (t) => {
  const tools = [{ name: 'x', inputSchema: { type: 'object' } }];
  for (const params of [
    { ...SAMPLING, tools },
    { ...SAMPLING, toolChoice: { mode: 'auto' } },
  ] as JsonObject[]) {
    const sample = { method: 'sampling/createMessage', params };
    assert.equal('result' in (await wanted(t, sample, { sampling: {} })), false);
    assert.ok('result' in (await wanted(t, sample)));
    const { question, stream } = await conversation(t, sample.method, params, { able: { sampling: {} } });
    assert.equal(question, null);
    stream.close();
  }
});

test('a conversation for a model is as the protocol wants it, or goes nowhere [B26-723] [B26-724] [B25-723]', async (t) => {
  const use = (id: string): JsonObject => ({ type: 'tool_use', id, name: 'x', input: {} });
  const result = (toolUseId: string): JsonObject => ({ type: 'tool_result', toolUseId, content: [textBlock('r')] });
  const user = message('user', textBlock('q'));
  const good: JsonObject[][] = [
    [user],
    [user, message('assistant', [use('a'), use('b')]), message('user', [result('b'), result('a')])],
    [
      user,
      message('assistant', [textBlock('let me see'), use('a')]),
      message('user', result('a')),
      message('assistant', textBlock('so')),
    ],
  ];
  const bad: JsonObject[][] = [
    [user, message('assistant', [use('a')]), message('user', [result('a'), textBlock('and')])],
    [
      user,
      message('assistant', [use('a'), use('b')]),
      message('user', [result('a')]),
      message('assistant', textBlock('so')),
    ],
    [user, message('assistant', use('a')), user, message('user', result('a'))],
    [user, message('assistant', [use('a')])],
    [message('user', [result('a')])],
    [message('user', [use('a')]), message('user', [result('a')])],
    [message('system', textBlock('q'))],
    [{ role: 'user' }],
    [message('user', [{ text: 'no type' }])],
  ];
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer, asks: ASKS });
  for (const [messages, passes] of [
    ...good.map((each) => [each, true] as const),
    ...bad.map((each) => [each, false] as const),
  ]) {
    const params = { messages, maxTokens: 5, tools: [{ name: 'x', inputSchema: { type: 'object' } }] };
    peer.answer('tools/call', {
      resultType: 'input_required',
      inputRequests: { q: { method: 'sampling/createMessage', params } },
    });
    const _meta = envelope({ 'io.modelcontextprotocol/clientCapabilities': ABLE });
    const { json } = await gateway.send(modern('tools/call', { name: 'echo', arguments: {}, _meta }));
    assert.equal('result' in json, passes, JSON.stringify(messages));
  }
  const broken = { ...SAMPLING, messages: bad[0] ?? [], tools: [] };
  const { question, stream } = await conversation(t, 'sampling/createMessage', broken);
  assert.equal(question, null);
  stream.close();
});

test('the bound on tokens reaches the client as the server set it, and a request without one goes nowhere [B26-725]', async (t) => {
  const { question, reply } = await conversation(t, 'sampling/createMessage', SAMPLING);
  assert.deepEqual(question?.params, SAMPLING);
  assert.deepEqual((await reply(SAMPLED)).result, SAMPLED);
  const { maxTokens: _, ...unbounded } = SAMPLING;
  assert.equal('result' in (await wanted(t, { method: 'sampling/createMessage', params: unbounded })), false);
});

test('what a model answers is decided before it flows to the server [B26-726] [B25-726]', async (t) => {
  const policies = {
    'all.cedar': 'permit (principal, action, resource);',
    'long.cedar':
      'forbid (principal, action == Action::"sample", resource) when { context has response && context.response.size > 200 };',
  };
  const { reply, stream } = await conversation(t, 'sampling/createMessage', SAMPLING, { policies });
  const heard = await reply({ ...SAMPLED, content: textBlock('secret '.repeat(50)) });
  assert.ok('error' in heard && !JSON.stringify(heard).includes('secret'));
  stream.close();
});

test('a server that asks outside any request of a client is told so and reaches nobody; a ping it is answered there too [B26-741] [B25-521]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const standing = Promise.withResolvers<Events>();
  peer.on('GET', ({ response }) => standing.resolve(new Events(response)));
  const gateway = await front(t, { peer, asks: ASKS });
  const session = String((await gateway.send(initialize('2025-11-25', ABLE))).headers['mcp-session-id']);
  const listening = await gateway.stream({ ...inSession(session, undefined as never), method: 'GET' });
  const events = (await standing.promise).ask('ping', 'ping').ask('roots', 'roots/list');
  events.ask('form', 'elicitation/create', FORM).ask('sample', 'sampling/createMessage', SAMPLING);
  await peer.reached('response', 4);
  const answers = peer.all('response').map(({ message: answer }) => [answer.id, 'error' in answer] as const);
  assert.deepEqual(
    new Map(answers),
    new Map<string | undefined, boolean>([
      ['ping', false],
      ['roots', true],
      ['form', true],
      ['sample', true],
    ]),
  );
  events.tell('notifications/resources/list_changed');
  // What came after the questions is the first that the client hears.
  assert.equal((await listening.next())?.method, 'notifications/resources/list_changed');
  listening.close();
});

test('what one client is asked in a session has ids that are used once [B25-110]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.on('tools/call', ({ message: call, response }) => {
    const events = new Events(response).ask('same', 'elicitation/create', FORM);
    peer.on('response', (received) => {
      received.response.writeHead(202).end();
      events.send(resultFor(call, said)).end();
    });
  });
  const gateway = await front(t, { peer, asks: ASKS });
  const session = String((await gateway.send(initialize('2025-11-25', ABLE))).headers['mcp-session-id']);
  const ids = new Set<unknown>();
  for (const id of ['a', 'b', 'c']) {
    const body = { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'echo', arguments: {} } };
    const stream = await gateway.stream(inSession(session, body));
    const question = await stream.next();
    assert.ok(typeof question?.id === 'string' || Number.isInteger(question?.id));
    ids.add(question?.id);
    await gateway.send(inSession(session, { jsonrpc: '2.0', id: question?.id ?? 0, result: { action: 'decline' } }));
    assert.equal((await stream.next())?.id, id);
  }
  assert.equal(ids.size, 3);
});

test('roots are file URIs that lead nowhere else, or the server gets none [B26-743] [B26-744] [B25-743] [B25-744]', async (t) => {
  const root = (uri: string): JsonObject => ({ roots: [{ uri, name: 'r' }] });
  const { question, reply } = await conversation(t, 'roots/list', {});
  assert.equal(question?.method, 'roots/list');
  assert.deepEqual((await reply(root('file:///home/ada/project'))).result, root('file:///home/ada/project'));
  for (const uri of [
    'https://a.example/',
    '/home/ada',
    'file:///home/ada/../../etc',
    'file:///home/%2e%2e/etc',
    'file:///home/%2E%2E%5cetc',
    'file:///%zz',
  ]) {
    const refused = await conversation(t, 'roots/list', {});
    const heard = await refused.reply(root(uri));
    assert.ok('error' in heard && !JSON.stringify(heard).includes('etc'), uri);
    refused.stream.close();
  }
});
