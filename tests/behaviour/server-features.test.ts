import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { bedBehind, front, OTHER, objectAt, PERMIT_ALL } from '../support/behaviour.ts';
import { type Answered, envelope, errorOf, initialize, inSession, modern } from '../support/ingress.ts';
import { CAPABILITIES, EVERYTHING, Events, Peer } from '../support/peer.ts';
import { type Received, resultFor, textResult } from '../support/upstreams.ts';

const FAMILIES = ['2026-07-28', 'handshake'] as const;
const said = textResult('hi') as JsonObject;
const resultOf = ({ json }: Answered): JsonObject => objectAt(json, 'result');
const LISTS = ['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list'];
const read = (uri: string) => modern('resources/read', { uri });
const get = (args: JsonObject) => modern('prompts/get', { name: 'greet', arguments: args });
const complete = (ref: JsonObject, argument: JsonObject) => modern('completion/complete', { ref, argument });
const PROMPT = { type: 'ref/prompt', name: 'greet' };

/** A message in a handshake session, which is opened for it. */
async function inNewSession(
  gateway: Awaited<ReturnType<typeof front>>,
  method: string,
  params: JsonObject,
  version?: string,
): Promise<Answered> {
  const session = String((await gateway.send(initialize(version))).headers['mcp-session-id']);
  const headers = version === undefined ? {} : { 'MCP-Protocol-Version': version };
  return gateway.send(inSession(session, { jsonrpc: '2.0', id: 1, method, params }, { headers }));
}

test('what is offered is declared, and what is declared is listed; what is not offered to the caller is neither [B26-601] [B26-621] [B26-641] [B26-671] [B26-681] [B25-601] [B25-621] [B25-641] [B25-671] [B25-681]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const policies = {
    'one.cedar': 'permit (principal == Agent::"agent", action, resource);',
    'two.cedar': 'permit (principal == Agent::"other", action in [Action::"call_tool"], resource);',
  };
  const gateway = await front(t, { peer, policies });
  for (const [credential, kinds] of [
    [undefined, ['completions', 'logging', 'prompts', 'resources', 'tools']],
    [OTHER, ['logging', 'tools']],
  ] as const) {
    const as = credential === undefined ? {} : { credential };
    const discovered = resultOf(await gateway.send({ ...modern('server/discover'), ...as }));
    const opened = await gateway.send({ ...initialize(), ...as });
    const session = String(opened.headers['mcp-session-id']);
    const { extensions: _, ...capabilities } = objectAt(discovered, 'capabilities');
    assert.deepEqual(Object.keys(capabilities).sort(), kinds);
    assert.deepEqual(objectAt(resultOf(opened), 'capabilities'), capabilities);
    for (const method of LISTS) {
      const kind = method.slice(0, method.indexOf('/'));
      const answers = [
        await gateway.send({ ...modern(method), ...as }),
        await gateway.send({ ...inSession(session, { jsonrpc: '2.0', id: 1, method }), ...as }),
      ];
      for (const { json } of answers) {
        if (kinds.some((each) => each === kind)) assert.ok('result' in json, method);
        else assert.equal(objectAt(json, 'error').code, -32601, method);
      }
    }
  }
});

test('a list is the same on every connection, and no other request changes it [B26-602] [B26-622] [B26-642]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('tools/call', said);
  const gateway = await front(t, { peer });
  const lists = async (): Promise<string[]> =>
    Promise.all(LISTS.map(async (method) => JSON.stringify(resultOf(await gateway.send(modern(method))))));
  const before = await lists();
  await gateway.send(modern('tools/call', { name: 'echo', arguments: {} }));
  await gateway.send(modern('tools/call', { name: 'none', arguments: {} }));
  await gateway.send(initialize());
  await gateway.send(read('note:///by-id/7'));
  assert.deepEqual(await lists(), before);
});

test('a tool whose input schema is no object is not approved, and each listed one has one [B26-604] [B25-602]', async (t) => {
  for (const inputSchema of [null, 'object', [], undefined]) {
    const tools = [{ name: 'echo', ...(inputSchema === undefined ? {} : { inputSchema }) }];
    const peer = await Peer.listening(t, { family: 'handshake', offered: { ...EVERYTHING, tools } });
    await assert.rejects(async () => (await bedBehind(t, { peer })).start(), /CATALOG_INVALID/);
  }
  const gateway = await front(t, { peer: await Peer.listening(t, { family: 'handshake' }) });
  const listed = resultOf(await gateway.send(modern('tools/list'))).tools as JsonObject[];
  assert.ok(listed.length > 0 && listed.every((tool) => typeof objectAt(tool, 'inputSchema').type === 'string'));
});

test('what a tool says of itself decides nothing: the catalog says what it does [B26-605] [B25-603]', async (t) => {
  const annotations = { readOnlyHint: true, destructiveHint: false, openWorldHint: false };
  const tools = [{ ...EVERYTHING.tools[0], annotations } as JsonObject];
  const policies = {
    ...PERMIT_ALL,
    'no-writes.cedar':
      'forbid (principal, action in [Action::"call_tool"], resource) when { resource.effects == "write" };',
  };
  for (const effects of ['write', 'read']) {
    const peer = await Peer.listening(t, { family: 'handshake', offered: { ...EVERYTHING, tools } });
    peer.answer('tools/call', said);
    const gateway = await front(t, { peer, policies, tool: { effects } });
    await gateway.send(modern('tools/call', { name: 'echo', arguments: {} }));
    assert.equal(peer.all('tools/call').length, effects === 'read' ? 1 : 0);
  }
});

test('a handshake client gets structured content that fits the schema that it was shown, whatever the schema describes [B25-604]', async (t) => {
  const cases: [JsonObject, unknown][] = [
    [{ type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }, { n: 1 }],
    [{ type: 'array', items: { type: 'integer' } }, [1, 2]],
    [{ type: 'string' }, 'text'],
  ];
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  for (const [outputSchema, structuredContent] of cases) {
    const tools = [{ ...EVERYTHING.tools[0], outputSchema } as JsonObject];
    const peer = await Peer.listening(t, { family: '2026-07-28', offered: { ...EVERYTHING, tools } });
    peer.answer('tools/call', { ...said, structuredContent } as JsonObject);
    const gateway = await front(t, { peer });
    const [shown] = resultOf(await inNewSession(gateway, 'tools/list', {})).tools as JsonObject[];
    const given = resultOf(
      await inNewSession(gateway, 'tools/call', { name: 'echo', arguments: {} }),
    ).structuredContent;
    assert.equal(objectAt(shown, 'outputSchema').type, 'object');
    assert.ok(new Ajv2020({ strict: false }).compile(objectAt(shown, 'outputSchema'))(given), JSON.stringify(given));
  }
});

test('what a tool is given is checked, who may call it is decided, and what it answers is cleaned [B26-606] [B26-607] [B26-608] [B25-605] [B25-606] [B25-607]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const link = { type: 'resource_link', uri: 'note:///hidden', name: 'Hidden' };
  const call = { call_id: 'forged', session_id: 'forged' };
  peer.answer('tools/call', { content: [{ type: 'text', text: 'x' }, link], _meta: { 'io.cmcp/call': call } });
  const policies = { 'one.cedar': 'permit (principal == Agent::"agent", action, resource);' };
  const gateway = await front(t, { peer, policies });
  const called = (args: JsonObject) => modern('tools/call', { name: 'echo', arguments: args });
  for (const text of [1, true, ['x'], { a: 1 }]) {
    assert.equal(resultOf(await gateway.send(called({ text }))).isError, true);
    assert.equal(
      resultOf(await inNewSession(gateway, 'tools/call', { name: 'echo', arguments: { text } })).isError,
      true,
    );
  }
  assert.equal(
    errorOf(await gateway.send({ ...called({ text: 'a' }), credential: OTHER })).data.error_code,
    'POLICY_DENY',
  );
  assert.equal(peer.all('tools/call').length, 0);
  const result = resultOf(await gateway.send(called({ text: 'a' })));
  const told = JSON.stringify(result);
  assert.ok(!told.includes('note:///hidden') && !told.includes('forged') && told.includes('withheld'));
});

test('a resource that is not there is an error that names it, and an answer without contents is none [B26-623] [B26-108]', async (t) => {
  for (const family of FAMILIES) {
    const peer = await Peer.listening(t, { family });
    const gateway = await front(t, { peer });
    const missing = await gateway.send(read('note:///nothing'));
    assert.deepEqual([errorOf(missing).code, errorOf(missing).data.uri], [-32602, 'note:///nothing']);
    peer.answer('resources/read', { contents: [] });
    assert.ok('error' in (await gateway.send(read('note:///one'))).json);
    peer.fail('resources/read', { code: -32002, message: 'Resource not found', data: { uri: 'note:///one' } });
    assert.equal(errorOf(await gateway.send(read('note:///one'))).code, -32602);
    const old = await inNewSession(gateway, 'resources/read', { uri: 'note:///one' });
    assert.equal(errorOf(old).code, -32002);
  }
});

test('a URI that is none, or climbs out of its place, is refused before any server hears of it [B26-624] [B26-626] [B25-622]', async (t) => {
  const resourceTemplates = [{ uriTemplate: 'file:///srv/{name}', name: 'Files' }];
  const peer = await Peer.listening(t, { family: 'handshake', offered: { ...EVERYTHING, resourceTemplates } });
  peer.answer('resources/read', ({ message }) => ({ contents: [{ uri: message.params?.uri ?? '', text: 'x' }] }));
  const gateway = await front(t, { peer });
  assert.ok('result' in (await gateway.send(read('file:///srv/a.txt'))).json);
  for (const uri of [
    'file:///srv/..',
    'file:///srv/%2e%2e',
    'file:///srv/..%2f..%2fetc%2fpasswd',
    'file:///srv/../etc/passwd',
    'file:///srv/a%00.txt',
    'file:///srv/a%5c..%5cb',
    'file:///srv/%252e%252e',
    'file:///srv/a b',
    'no uri',
    '',
  ]) {
    const { body, headers = {} } = read(uri);
    const plain = /^[!-~](?:[ -~]*[!-~])?$/.test(uri);
    const name = plain ? uri : `=?base64?${Buffer.from(uri).toString('base64')}?=`;
    const answer = await gateway.send({ body: body as JsonObject, headers: { ...headers, 'Mcp-Name': name } });
    assert.equal(errorOf(answer).code, -32602, uri);
    assert.ok('error' in (await inNewSession(gateway, 'resources/read', { uri })).json);
  }
  assert.equal(peer.all('resources/read').length, 1);
});

test('what a server encoded arrives as it was encoded: binary contents, images and audio, with their types [B26-625] [B26-643] [B25-623] [B25-642]', async (t) => {
  const data = Buffer.from([0, 255, 128, 10, 13]).toString('base64');
  const contents = [{ uri: 'note:///one', mimeType: 'image/png', blob: data }];
  const messages = [
    { type: 'image', data, mimeType: 'image/png' },
    { type: 'audio', data, mimeType: 'audio/wav' },
    { type: 'resource', resource: { uri: 'note:///one', mimeType: 'image/png', blob: data } },
  ].map((content) => ({ role: 'user', content }));
  const content = messages.map((message) => message.content);
  for (const family of FAMILIES) {
    const peer = await Peer.listening(t, { family });
    peer.answer('resources/read', { contents }).answer('prompts/get', { messages } as JsonObject);
    peer.answer('tools/call', { content } as JsonObject);
    const gateway = await front(t, { peer });
    for (const [method, params, member, expected] of [
      ['resources/read', { uri: 'note:///one' }, 'contents', contents],
      ['prompts/get', { name: 'greet', arguments: { who: 'x' } }, 'messages', messages],
      ['tools/call', { name: 'echo', arguments: {} }, 'content', content],
    ] as const) {
      assert.deepEqual(resultOf(await gateway.send(modern(method, params)))[member], expected);
      assert.deepEqual(resultOf(await inNewSession(gateway, method, params))[member], expected);
    }
  }
});

test('arguments of a prompt are text, and what a prompt brings of resources is what the agent may read [B26-644] [B25-643]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  const hidden = { type: 'resource', resource: { uri: 'note:///hidden', mimeType: 'text/plain', text: 'secret' } };
  peer.answer('prompts/get', { messages: [{ role: 'user', content: hidden }] });
  const gateway = await front(t, { peer });
  for (const who of [1, null, ['x'], { a: 'b' }]) {
    assert.equal(errorOf(await gateway.send(get({ who }))).code, -32602);
    assert.equal(
      errorOf(await inNewSession(gateway, 'prompts/get', { name: 'greet', arguments: { who } })).code,
      -32602,
    );
  }
  assert.equal(peer.all('prompts/get').length, 0);
  const answer = await gateway.send(get({ who: 'Ada' }));
  assert.ok(!answer.text.includes('secret') && answer.text.includes('withheld'));
});

test('what may be kept says for how long and that it is private, each time [B26-661] [B26-662]', async (t) => {
  for (const family of FAMILIES) {
    const peer = await Peer.listening(t, { family });
    peer.answer('resources/read', { contents: [{ uri: 'note:///one', text: '1' }], ttlMs: -5, cacheScope: 'public' });
    const gateway = await front(t, { peer });
    for (const request of [...['server/discover', ...LISTS].map((method) => modern(method)), read('note:///one')]) {
      const { ttlMs, cacheScope } = resultOf(await gateway.send(request));
      assert.ok(Number.isSafeInteger(ttlMs) && Number(ttlMs) >= 0);
      assert.equal(cacheScope, 'private');
    }
  }
});

test('what one agent read is not served to another, whatever its server says of sharing [B26-663] [B26-664]', async (t) => {
  const peer = await Peer.listening(t, { family: '2026-07-28' });
  let count = 0;
  peer.answer('resources/read', () => {
    count += 1;
    return { contents: [{ uri: 'note:///one', text: `reading ${count}` }], ttlMs: 1_000_000, cacheScope: 'public' };
  });
  const policies = {
    ...PERMIT_ALL,
    'not-other.cedar':
      'forbid (principal == Agent::"other", action == Action::"read_resource", resource) when { context.uri == "note:///by-id/2" };',
  };
  const gateway = await front(t, { peer, policies });
  const texts = [
    await gateway.send(read('note:///one')),
    await gateway.send({ ...read('note:///one'), credential: OTHER }),
  ];
  assert.deepEqual(
    texts.map((answer) => (resultOf(answer).contents as JsonObject[])[0]?.text),
    ['reading 1', 'reading 2'],
  );
  await gateway.send(read('note:///by-id/2'));
  const refused = await gateway.send({ ...read('note:///by-id/2'), credential: OTHER });
  assert.equal(errorOf(refused).data.error_code, 'POLICY_DENY');
});

test('a completion is asked for with what the protocol says, of what the agent may use, and answered with no more than that [B26-672] [B26-674] [B26-675] [B25-672] [B25-674] [B25-675]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake' });
  peer.answer('completion/complete', { completion: { values: ['Ada'], total: 1, hasMore: false } });
  const policies = {
    'one.cedar': 'permit (principal == Agent::"agent", action, resource);',
    'two.cedar': 'permit (principal == Agent::"other", action in [Action::"call_tool"], resource);',
  };
  const gateway = await front(t, { peer, policies });
  const who = { name: 'who', value: 'A' };
  for (const [ref, argument] of [
    [{ type: 'ref/prompt' }, who],
    [{ type: 'ref/tool', name: 'echo' }, who],
    [{ type: 'ref/prompt', name: 'unheard-of' }, who],
    [{ type: 'ref/resource', uri: 'note:///hidden/{id}' }, who],
    [PROMPT, { name: 'who' }],
    [PROMPT, { name: 'who', value: 1 }],
    [PROMPT, 'who' as never],
  ] as [JsonObject, JsonObject][]) {
    assert.equal(errorOf(await gateway.send(complete(ref, argument))).code, -32602, JSON.stringify([ref, argument]));
    const old = await inNewSession(gateway, 'completion/complete', { ref, argument });
    assert.equal(errorOf(old).code, ref.uri === undefined ? -32602 : -32002);
  }
  assert.ok('error' in (await gateway.send({ ...complete(PROMPT, who), credential: OTHER })).json);
  assert.equal(peer.all('completion/complete').length, 0);
  assert.deepEqual(objectAt(resultOf(await gateway.send(complete(PROMPT, who))), 'completion').values, ['Ada']);
  peer.answer('completion/complete', { completion: { values: Array.from({ length: 101 }, (_, n) => String(n)) } });
  assert.ok('error' in (await gateway.send(complete(PROMPT, who))).json);
});

test('a client of 2026-07-28 is told what is logged only where its request says from which level on [B26-682]', async (t) => {
  for (const family of FAMILIES) {
    const peer = await Peer.listening(t, { family });
    peer.on('tools/call', ({ message, response }: Received) => {
      const events = new Events(response);
      for (const level of ['debug', 'warning', 'emergency', 'loud'])
        events.tell('notifications/message', { level, data: level });
      events.send(resultFor(message, said)).end();
    });
    const gateway = await front(t, { peer });
    for (const [logLevel, heard] of [
      [undefined, []],
      ['warning', ['warning', 'emergency']],
      ['debug', ['debug', 'warning', 'emergency']],
    ] as const) {
      const _meta = envelope(logLevel === undefined ? {} : { 'io.modelcontextprotocol/logLevel': logLevel });
      const stream = await gateway.stream(modern('tools/call', { name: 'echo', arguments: {}, _meta }));
      const told = (await stream.rest()).flatMap(({ message }) =>
        message?.method === 'notifications/message' ? [objectAt(message, 'params').data] : [],
      );
      assert.deepEqual(told, heard);
    }
  }
});

test('what a server logs is decided like its answer: what may not be shown is not logged to the agent either [B26-683] [B25-683]', async (t) => {
  const peer = await Peer.listening(t, { family: 'handshake', capabilities: CAPABILITIES });
  peer.on('tools/call', ({ message, response }) => {
    const events = new Events(response).tell('notifications/message', {
      level: 'error',
      data: `password ${'x'.repeat(300)}`,
    });
    events.tell('notifications/message', { level: 'error', data: 'short' }).send(resultFor(message, said)).end();
  });
  const policies = {
    ...PERMIT_ALL,
    'long.cedar':
      'forbid (principal, action in [Action::"call_tool"], resource) when { context has response && context.response.size > 200 };',
  };
  const gateway = await front(t, { peer, policies });
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  const params = { name: 'echo', arguments: {} };
  for (const request of [
    modern('tools/call', { ...params, _meta: envelope({ 'io.modelcontextprotocol/logLevel': 'debug' }) }),
    inSession(session, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  ]) {
    const heard = JSON.stringify(await (await gateway.stream(request)).rest());
    assert.ok(heard.includes('short') && !heard.includes('password'));
  }
});

test('cursors of a server go back to it as they came, the empty one too, and a page is as long as it is [B26-691] [B26-692] [B25-691] [B25-692]', async (t) => {
  for (const family of FAMILIES) {
    const tools = ['a', 'b', 'c', 'd'].map((name) => ({ name, inputSchema: { type: 'object' } }));
    const peer = await Peer.listening(t, { family, offered: { ...EVERYTHING, tools } });
    const pages = new Map<unknown, JsonObject>([
      [undefined, { tools: tools.slice(0, 1), nextCursor: '' }],
      ['', { tools: [], nextCursor: 'ü "\\ page=2' }],
      ['ü "\\ page=2', { tools: tools.slice(1) }],
    ]);
    peer.answer('tools/list', ({ message }) => pages.get(message.params?.cursor) ?? { tools: [] });
    peer.answer('tools/call', said);
    const gateway = await front(t, { peer });
    for (const { name } of tools) {
      assert.ok('result' in (await gateway.send(modern('tools/call', { name, arguments: {} }))).json, name);
    }
    const cursors = peer.all('tools/list').map(({ message }) => message.params?.cursor);
    assert.deepEqual(cursors.slice(0, 3), [undefined, '', 'ü "\\ page=2']);
  }
});
