import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { type Front, front, OTHER } from '../support/behaviour.ts';
import { type Answered, envelope, errorOf, initialize, inSession, modern } from '../support/ingress.ts';
import { Events, Peer } from '../support/peer.ts';
import { answerJson, type Received, resultFor, textResult } from '../support/upstreams.ts';

const ASKABLE = { elicitation: { form: {} }, sampling: {}, roots: {} };
const FORM = { message: 'Who?', requestedSchema: { type: 'object', properties: { who: { type: 'string' } } } };
const ELICIT = { method: 'elicitation/create', params: FORM };
const SAMPLE = {
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: 'q' } }], maxTokens: 5 },
};
const ACCEPTED = { action: 'accept', content: { who: 'Ada' } };
const STATE = 'server state \u00e9 "\\';
const said = textResult('done') as JsonObject;

const called = (more: JsonObject = {}, id = 1, capabilities: JsonObject = ASKABLE, args: JsonObject = { text: 'a' }) =>
  modern(
    'tools/call',
    {
      name: 'echo',
      arguments: args,
      _meta: envelope({ 'io.modelcontextprotocol/clientCapabilities': capabilities }),
      ...more,
    },
    { id },
  );
const resultOf = ({ json }: Answered): JsonObject => json.result as JsonObject;
const wanting = (members: JsonObject): JsonObject => ({ resultType: 'input_required', ...members });

/** A server of 2026-07-28 that wants `members`, until the request comes back. */
function rounds(peer: Peer, members: JsonObject, method = 'tools/call', done: JsonObject = said): Peer {
  return peer.answer(method, ({ message }) => {
    const back = message.params?.inputResponses !== undefined || message.params?.requestState !== undefined;
    return back ? done : wanting(members);
  });
}

async function asked(gateway: Front, more?: JsonObject): Promise<{ state: string; key: string }> {
  const result = resultOf(await gateway.send(called(more)));
  assert.equal(result.resultType, 'input_required');
  const [key = ''] = Object.keys(result.inputRequests as JsonObject);
  return { state: String(result.requestState), key };
}

test('what a server wants comes to the client as input_required, with at least one of requests and state [B26-526] [B26-521]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer, asks: ['elicit', 'sample', 'list_roots'] });
  for (const state of [null, STATE]) {
    rounds(peer, { inputRequests: { q: ELICIT }, ...(state === null ? {} : { requestState: state }) });
    const result = resultOf(await gateway.send(called()));
    assert.equal(result.resultType, 'input_required');
    assert.ok(typeof result.requestState === 'string');
    assert.deepEqual(result.inputRequests, { q: ELICIT });
  }
  // With a state alone nobody has to be asked: the request goes back at once.
  rounds(peer, { requestState: STATE });
  assert.equal(resultOf(await gateway.send(called())).resultType, 'complete');
  assert.equal(peer.all('tools/call').at(-1)?.message.params?.requestState, STATE);
  peer.answer('tools/call', wanting({}));
  assert.equal(errorOf(await gateway.send(called())).data.error_code, 'UPSTREAM_PROTOCOL_ERROR');
});

test('a request comes back to its server with the very state that it gave, or none, under another id, and the answers [B26-529] [B26-530] [B26-531]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer, asks: ['elicit'] });
  for (const state of [STATE, '', null]) {
    rounds(peer, { inputRequests: { q: ELICIT }, ...(state === null ? {} : { requestState: state }) });
    const from = peer.all('tools/call').length;
    const { state: ours, key } = await asked(gateway);
    assert.ok(state === null || state === '' || !ours.includes(state));
    const answer = await gateway.send(called({ inputResponses: { [key]: ACCEPTED }, requestState: ours }, 2));
    assert.equal(resultOf(answer).resultType, 'complete');
    const [first, second] = peer.all('tools/call').slice(from) as [Received, Received];
    assert.notEqual(first.message.id, second.message.id);
    assert.deepEqual(second.message.params?.arguments, first.message.params?.arguments);
    assert.equal('requestState' in (first.message.params ?? {}), false);
    assert.equal(second.message.params?.requestState, state ?? undefined);
    assert.equal('requestState' in (second.message.params ?? {}), state !== null);
    assert.deepEqual(second.message.params?.inputResponses, { q: ACCEPTED });
  }
});

test('a handshake client is asked before the request goes back to its server [B26-531] [B26-530]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  rounds(peer, { inputRequests: { q: ELICIT, s: SAMPLE }, requestState: STATE });
  const gateway = await front(t, { peer, asks: ['elicit', 'sample'] });
  const session = String((await gateway.send(initialize('2025-11-25', ASKABLE))).headers['mcp-session-id']);
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const stream = await gateway.stream(inSession(session, body));
  const sampled = { role: 'assistant', content: { type: 'text', text: 'a' }, model: 'm' };
  for (let questions = 0; questions < 2; questions += 1) {
    const question = await stream.next();
    assert.equal(peer.all('tools/call').length, 1);
    const result = question?.method === 'elicitation/create' ? ACCEPTED : sampled;
    await gateway.send(inSession(session, { jsonrpc: '2.0', id: question?.id ?? 0, result }));
  }
  assert.ok('result' in ((await stream.next()) ?? {}));
  const [first, second] = peer.all('tools/call');
  assert.deepEqual(second?.message.params?.inputResponses, { q: ACCEPTED, s: sampled });
  assert.notEqual(first?.message.id, second?.message.id);
});

test('only calls, prompts and readings are answered by wanting more [B26-522]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const _meta = envelope({ 'io.modelcontextprotocol/clientCapabilities': ASKABLE });
  const wants = wanting({ inputRequests: { q: ELICIT } });
  for (const method of ['tools/call', 'resources/read', 'prompts/get', 'completion/complete'])
    peer.answer(method, wants);
  for (const request of [
    called(),
    modern('resources/read', { uri: 'note:///one', _meta }),
    modern('prompts/get', { name: 'greet', arguments: { who: 'x' }, _meta }),
  ]) {
    assert.equal(resultOf(await gateway.send(request)).resultType, 'input_required');
  }
  const ref = { type: 'ref/prompt', name: 'greet' };
  const completing = modern('completion/complete', { ref, argument: { name: 'who', value: 'A' }, _meta });
  assert.equal(errorOf(await gateway.send(completing)).data.error_code, 'UPSTREAM_PROTOCOL_ERROR');
});

test('what a server wants must be one of the three kinds of request, under keys of its own [B26-523]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer, asks: ['elicit', 'sample', 'list_roots'] });
  for (const method of ['ping', 'tools/call', 'elicitation/delete', '', null]) {
    peer.answer('tools/call', wanting({ inputRequests: { q: { method, params: {} } } }));
    const answer = await gateway.send(called());
    assert.equal(errorOf(answer).data.error_code, 'UPSTREAM_PROTOCOL_ERROR', String(method));
  }
  const roots = { method: 'roots/list' };
  peer.answer('tools/call', wanting({ inputRequests: { a: ELICIT, b: ELICIT, c: SAMPLE, d: roots } }));
  const { inputRequests } = resultOf(await gateway.send(called())) as { inputRequests: Record<string, JsonObject> };
  assert.deepEqual(
    Object.entries(inputRequests).map(([key, { method }]) => [key, method]),
    [
      ['a', 'elicitation/create'],
      ['b', 'elicitation/create'],
      ['c', 'sampling/createMessage'],
      ['d', 'roots/list'],
    ],
  );
  // Asked one after the other by a handshake server, each has a key too.
  const asking = await Peer.listening(t, { family: 'handshake' });
  asking.on(
    'tools/call',
    ({ response }) => void new Events(response).ask(1, ELICIT.method, FORM).ask('1', ELICIT.method, FORM),
  );
  const other = await front(t, { peer: asking, asks: ['elicit'] });
  let result = resultOf(await other.send(called()));
  const keys = new Set(Object.keys(result.inputRequests as JsonObject));
  result = resultOf(await other.send(called({ requestState: result.requestState ?? null, inputResponses: {} }, 2)));
  for (const key of Object.keys(result.inputRequests as JsonObject)) keys.add(key);
  assert.equal(keys.size, 2);
});

test('a state that was altered, made up, or belongs to another agent or request is refused, and the server hears nothing [B26-524] [B26-113] [B26-706]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  rounds(peer, { inputRequests: { q: ELICIT }, requestState: STATE });
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const { state, key } = await asked(gateway);
  const reached = peer.all('tools/call').length;
  const inputResponses = { [key]: ACCEPTED };
  const flipped = `${state.slice(0, 40)}${state[40] === 'A' ? 'B' : 'A'}${state.slice(41)}`;
  for (const requestState of [flipped, state.slice(0, -4), `${state}AAAA`, 'made up', STATE, '']) {
    assert.equal(errorOf(await gateway.send(called({ inputResponses, requestState }, 2))).code, -32602, requestState);
  }
  const back = called({ inputResponses, requestState: state }, 2);
  assert.equal(errorOf(await gateway.send({ ...back, credential: OTHER })).code, -32602);
  const elsewhere = called({ inputResponses, requestState: state }, 2, ASKABLE, { text: 'b' });
  assert.equal(errorOf(await gateway.send(elsewhere)).code, -32602);
  assert.equal(peer.all('tools/call').length, reached);
});

test('a state is good once [B26-525]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  rounds(peer, { inputRequests: { q: ELICIT }, requestState: STATE });
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const { state, key } = await asked(gateway);
  const back = (id: number) => called({ inputResponses: { [key]: ACCEPTED }, requestState: state }, id);
  assert.equal(resultOf(await gateway.send(back(2))).resultType, 'complete');
  const reached = peer.all('tools/call').length;
  assert.equal(errorOf(await gateway.send(back(3))).code, -32602);
  assert.equal(peer.all('tools/call').length, reached);
});

test('a client is asked nothing that it did not declare, and its server is not told that it could [B26-527]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  const gateway = await front(t, { peer, asks: ['elicit', 'sample', 'list_roots'] });
  for (const [request, capabilities] of [
    [ELICIT, { sampling: {}, roots: {} }],
    [{ ...ELICIT, params: { mode: 'url', message: 'm', url: 'https://a.example/' } }, { elicitation: { form: {} } }],
    [SAMPLE, { elicitation: {} }],
    [{ method: 'roots/list' }, { sampling: {} }],
  ] as [JsonObject, JsonObject][]) {
    peer.answer('tools/call', wanting({ inputRequests: { q: request } }));
    const answer = await gateway.send(called({}, 1, capabilities));
    assert.equal(errorOf(answer).data.error_code, 'ASK_REFUSED');
    const offered = peer.all('tools/call').at(-1)?.message.params?._meta?.[
      'io.modelcontextprotocol/clientCapabilities'
    ];
    const expected = 'elicitation' in capabilities ? { elicitation: { form: {} } } : capabilities;
    assert.deepEqual(offered, expected);
  }
});

test('a client that never comes back holds nothing up: others are served, and its call ends in time [B26-528]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const refused = Promise.withResolvers<Received>();
  const first = Promise.withResolvers<void>();
  peer.on('tools/call', ({ message, response }) => {
    if (message.params?.arguments?.text !== 'a') answerJson(response, resultFor(message, said));
    else new Events(response).ask('q', ELICIT.method, FORM);
    first.resolve();
  });
  peer.on('response', (received) => {
    received.response.writeHead(202).end();
    refused.resolve(received);
  });
  const gateway = await front(t, { peer, asks: ['elicit'], config: 'limits: { input_timeout: 1s }' });
  await asked(gateway);
  const others = await Promise.all(['b', 'c'].map((text) => gateway.send(called({}, 1, ASKABLE, { text }))));
  for (const other of others) assert.equal(resultOf(other).resultType, 'complete');
  assert.ok('error' in (await refused.promise).message);
});

test('answers and state go back with the request that they belong to, and with no other [B26-532]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  rounds(peer, { inputRequests: { q: ELICIT }, requestState: STATE });
  const gateway = await front(t, { peer, asks: ['elicit'] });
  const { state, key } = await asked(gateway);
  await Promise.all([
    gateway.send(called({ inputResponses: { [key]: ACCEPTED }, requestState: state }, 2)),
    gateway.send(called({}, 3, ASKABLE, { text: 'parallel' })),
  ]);
  const parallel = peer.all('tools/call').filter(({ message }) => message.params?.arguments?.text === 'parallel');
  assert.deepEqual(
    parallel.map(({ message }) => ['inputResponses', 'requestState'].some((name) => name in (message.params ?? {}))),
    [false],
  );
});
