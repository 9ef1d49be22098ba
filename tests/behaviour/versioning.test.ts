import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { front, objectAt, pipe } from '../support/behaviour.ts';
import { envelope, errorOf, initialize, inSession, modern, send } from '../support/ingress.ts';
import { CAPABILITIES, EVERYTHING, Events, Peer } from '../support/peer.ts';
import { answerJson, resultFor, textResult } from '../support/upstreams.ts';

const SPOKEN = ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'];
const TASKS = 'io.modelcontextprotocol/tasks';
const said = textResult('hi') as JsonObject;

test('discovery names the versions, capabilities and identity of the gateway, over HTTP and over a pipe [B26-202]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const overHttp = (await (await front(t, { peer })).send(modern('server/discover'))).json.result as JsonObject;
  const piped = await pipe(t, { peer });
  piped.say({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: envelope() } });
  const overPipe = (await piped.next()).result as JsonObject;
  for (const result of [overHttp, overPipe]) {
    assert.deepEqual(result.supportedVersions, SPOKEN);
    assert.deepEqual(Object.keys(result.capabilities as JsonObject).sort(), [
      'completions',
      'extensions',
      'logging',
      'prompts',
      'resources',
      'tools',
    ]);
  }
});

test('a version that is not spoken is answered with those that are, over HTTP with 400 [B26-201] [B26-314]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const { port } = await front(t, { peer });
  const gateway = await pipe(t, { peer });
  for (const version of ['1900-01-01', '2025-11-25', '2099-01-01']) {
    const _meta = envelope({}, version);
    const answer = await send(port, {
      ...modern('tools/list', { _meta }, { headers: { 'MCP-Protocol-Version': version } }),
      credential: `Bearer agent-token-of-the-tests`,
    });
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32022]);
    assert.deepEqual(errorOf(answer).data.supported, SPOKEN);
    assert.equal(errorOf(answer).data.requested, version);
    gateway.say({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } });
    const { code, data } = (await gateway.next()).error as { code: number; data: JsonObject };
    assert.deepEqual([code, data.supported, data.requested], [-32022, SPOKEN, version]);
  }
});

test('an extension is used only where both sides have it: what the client did not declare is not offered to the server [B26-204]', async (t) => {
  const capabilities = { ...CAPABILITIES, extensions: { [TASKS]: {} } };
  const peer = await Peer.listening(t, { family: '2026-07-28', capabilities });
  peer.answer('tools/call', said);
  const gateway = await front(t, { peer });
  const params = { name: 'echo', arguments: {} };
  const declared = envelope({
    'io.modelcontextprotocol/clientCapabilities': { extensions: { [TASKS]: {}, 'com.example/x': {} } },
  });
  await gateway.send(modern('tools/call', params));
  await gateway.send(modern('tools/call', { ...params, _meta: declared }));
  const offered = peer
    .all('tools/call')
    .map(({ message }) => message.params?._meta?.['io.modelcontextprotocol/clientCapabilities']);
  assert.deepEqual(offered, [{}, { extensions: { [TASKS]: {} } }]);
});

test('a session of the handshake begins with initialize, which says what the gateway is and can [B25-201] [B25-202]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const gateway = await pipe(t, { peer });
  gateway.say({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  assert.equal(((await gateway.next()).error as JsonObject).code, -32600);
  gateway.say((initialize().body as JsonObject) ?? {});
  const { protocolVersion, capabilities, serverInfo } = (await gateway.next()).result as Record<string, JsonObject>;
  assert.deepEqual(protocolVersion, '2025-11-25');
  assert.deepEqual(Object.keys(capabilities ?? {}).sort(), ['completions', 'logging', 'prompts', 'resources', 'tools']);
  assert.deepEqual(Object.keys(serverInfo ?? {}), ['name', 'version']);
  gateway.say({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
  assert.ok('result' in (await gateway.next()));
});

test('a spoken version is answered with itself, any other with one that is spoken [B25-203]', async (t) => {
  const gateway = await front(t, { peer: await Peer.listening(t, { family: 'handshake' }) });
  for (const version of ['2025-03-26', '2025-06-18', '2025-11-25', '2024-11-05', '2026-07-28', '2099-01-01', 'x']) {
    const { result } = (await gateway.send(initialize(version))).json as { result: JsonObject };
    const expected = SPOKEN.slice(1).includes(version) ? version : '2025-11-25';
    assert.equal(result.protocolVersion, expected, version);
  }
});

test('a server of a handshake revision is initialized first, with version, capabilities and identity, then told so [B25-204] [B25-205]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('tools/call', said);
  const gateway = await front(t, { peer, asks: ['elicit'] });
  await gateway.send(modern('tools/call', { name: 'echo', arguments: {} }));
  const [first, second] = peer.received.filter(({ message }) => message.method !== 'server/discover');
  assert.equal(first?.message.method, 'initialize');
  const { protocolVersion, capabilities, clientInfo } = first?.message.params ?? {};
  assert.deepEqual([protocolVersion, capabilities], ['2025-11-25', { elicitation: { form: {}, url: {} } }]);
  assert.deepEqual(Object.keys(clientInfo as JsonObject), ['name', 'version']);
  assert.equal(second?.message.method, 'notifications/initialized');
});

test('after initialize a server is sent the version that it chose, in every request [B25-206] [B25-318] [B25-207]', async (t) => {
  for (const version of ['2025-11-25', '2025-06-18', '2025-03-26']) {
    const peer = await Peer.listening(t, { family: 'handshake' });
    peer.answer('tools/call', said).on('initialize', ({ message, response }) => {
      const result = { protocolVersion: version, capabilities: CAPABILITIES, serverInfo: { name: 'p', version: '1' } };
      answerJson(response, resultFor(message, result), 200, { 'mcp-session-id': 's' });
    });
    const gateway = await front(t, { peer });
    await gateway.send(modern('tools/call', { name: 'echo', arguments: {} }));
    await gateway.bed.stop();
    const from = peer.received.findIndex(({ message }) => message.method === 'initialize') + 1;
    const after = peer.received.slice(from);
    assert.ok(after.length > 3 && after.some(({ method }) => method === 'DELETE'));
    for (const { headers } of after) assert.equal(headers['mcp-protocol-version'], version);
  }
});

test('a server that chooses a version that the gateway does not speak is not used [B25-207]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('initialize', {
    protocolVersion: '2099-01-01',
    capabilities: {},
    serverInfo: { name: 'p', version: '1' },
  });
  const gateway = await front(t, { peer });
  const answer = await gateway.send(modern('tools/call', { name: 'echo', arguments: {} }));
  assert.equal(errorOf(answer).data.error_code, 'UPSTREAM_UNAVAILABLE');
  assert.equal(peer.all('tools/call').length, 0);
});

test('what was not declared is not used: neither of a server, nor of a client [B25-208]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake', capabilities: { tools: {} } });
  const answers: JsonObject[] = [];
  peer.on('tools/call', ({ message, response }) => {
    const events = new Events(response)
      .ask('q', 'roots/list')
      .tell('notifications/message', { level: 'error', data: 'x' });
    peer.on('response', (answer) => {
      answer.response.writeHead(202).end();
      answers.push(answer.message as JsonObject);
      events.send(resultFor(message, said)).end();
    });
  });
  const gateway = await front(t, { peer, asks: ['list_roots'] });
  const opened = await gateway.send(initialize('2025-11-25', { sampling: {} }));
  const session = String(opened.headers['mcp-session-id']);
  for (const [method, params] of [
    ['resources/read', { uri: 'note:///one' }],
    ['prompts/get', { name: 'greet', arguments: { who: 'x' } }],
    ['resources/subscribe', { uri: 'note:///one' }],
  ] as const) {
    const answer = await gateway.send(inSession(session, { jsonrpc: '2.0', id: method, method, params }));
    assert.ok('error' in answer.json, method);
  }
  const called = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const answered = await gateway.stream(inSession(session, called));
  const seen = [await answered.next(), await answered.next()].filter((message) => message !== null);
  assert.equal(
    seen.some(({ method }) => method === 'roots/list'),
    false,
  );
  assert.ok(seen.some((message) => 'result' in message));
  assert.equal(objectAt(answers[0], 'error').code, -32601);
  const asked = new Set(peer.received.map(({ message }) => message.method));
  for (const method of [
    'resources/list',
    'resources/read',
    'resources/subscribe',
    'prompts/list',
    'prompts/get',
    'logging/setLevel',
  ])
    assert.equal(asked.has(method), false, method);
  assert.equal(EVERYTHING.prompts.length, 1);
});
