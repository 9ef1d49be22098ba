import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { echo, failure } from '../../../../../tests/support/fake-governed.ts';
import {
  type Answered,
  BOB,
  envelope,
  errorOf,
  initialize,
  MODERN,
  modern,
  open,
  send,
  serve,
} from '../../../../../tests/support/ingress.ts';
import { SERVER_INFO } from '../server-info.ts';

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const SERVER = 'io.modelcontextprotocol/serverInfo';
const TASKS = 'io.modelcontextprotocol/tasks';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const result = (answer: Answered): JsonObject => answer.json.result as JsonObject;
const call = (args: JsonObject, headers: Record<string, string> = {}) =>
  modern('tools/call', { name: 'route', arguments: args }, { headers });
const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;

test('a tool is called without any handshake, and the result says that it is complete [MCP26-06] [MCP26-20] [ERA-01]', async (t) => {
  const { port, gateway } = await serve(t);
  const answer = await send(port, modern('tools/call', { name: 'echo', arguments: { text: 'hi' } }));
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json']);
  assert.equal(result(answer).resultType, 'complete');
  assert.deepEqual(result(answer)._meta, { 'io.cmcp/call': { call_id: 'call-1' }, [SERVER]: SERVER_INFO });
  const [seen] = gateway.calls;
  assert.deepEqual([seen?.session, seen?.handle, seen?.workflow, seen?.dataClass], [null, null, null, null]);
});

test('only POST is answered unless a transport session is addressed [MCP26-01] [B26-301]', async (t) => {
  const { port } = await serve(t);
  for (const method of ['GET', 'DELETE']) {
    const answer = await send(port, { method });
    assert.deepEqual([answer.status, answer.headers.allow], [405, 'POST']);
    assert.equal((await send(port, { method, headers: { 'Mcp-Session-Id': 'unknown' } })).status, 404);
  }
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE']) assert.equal((await send(port, { method })).status, 405);
});

test('an array and a response of the client are refused [MCP26-04] [ATK-19]', async (t) => {
  const { port } = await serve(t);
  const one = modern('tools/call', { name: 'echo' }).body as JsonValue;
  const headers = { 'MCP-Protocol-Version': MODERN };
  for (const body of [
    [],
    [one],
    [one, one],
    { jsonrpc: '2.0', id: 1, result: {} },
    { jsonrpc: '2.0', id: 1, error: {} },
  ]) {
    const answer = await send(port, { body, headers });
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32600]);
  }
});

test('a notification is accepted without a body or refused without an id [MCP26-05] [B26-305]', async (t) => {
  const { port, gateway } = await serve(t);
  const headers = { 'MCP-Protocol-Version': MODERN };
  const notify = (method: string, more = {}) =>
    send(port, { body: { jsonrpc: '2.0', method }, headers: { ...headers, ...more } });
  const accepted = await notify('notifications/cancelled');
  assert.deepEqual([accepted.status, accepted.text], [202, '']);
  for (const answer of [await notify('tools/call'), await notify('notifications/cancelled', { 'Mcp-Method': 'x' })]) {
    assert.equal(answer.status, 400);
    assert.equal('id' in answer.json, false);
  }
  assert.equal(gateway.calls.length, 0);
});

test('the version header must be present, single and equal to the body [MCP26-07] [G3] [B26-311] [B26-312]', async (t) => {
  const { port, gateway } = await serve(t);
  const good = modern('tools/list');
  for (const value of [undefined, '2025-11-25', '2026-07-28 ', ['2026-07-28', '2026-07-28'], '']) {
    const { 'MCP-Protocol-Version': _, ...rest } = good.headers ?? {};
    const headers = value === undefined ? rest : { ...rest, 'MCP-Protocol-Version': value };
    const answer = await send(port, { ...good, headers });
    // Trailing space is not part of a field value: that one agrees.
    if (value === '2026-07-28 ') assert.equal(answer.status, 200);
    else
      assert.deepEqual(
        [answer.status, errorOf(answer).code, errorOf(answer).data.header],
        [400, -32020, 'MCP-Protocol-Version'],
      );
  }
  assert.equal(gateway.counts.get('header_mismatch'), 4);
});

test('a version that is not spoken is answered with those that are [MCP26-08]', async (t) => {
  const { port } = await serve(t);
  for (const version of ['1900-01-01', '2025-11-25', '', '2026-07-28x']) {
    const sent = modern(
      'tools/list',
      { _meta: envelope({}, version) },
      { headers: { 'MCP-Protocol-Version': version } },
    );
    const answer = await send(port, sent);
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32022]);
    assert.equal(errorOf(answer).data.requested, version);
    assert.deepEqual(errorOf(answer).data.supported, ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26']);
  }
});

test('a method that is not governed is 404 with -32601, and recorded [MCP26-09] [MCP26-44] [D-52] [B26-315]', async (t) => {
  const { port, gateway } = await serve(t);
  const methods = [
    'foo/bar',
    'ping',
    'initialize',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'tasks/list',
    'tasks/result',
    'sampling/createMessage',
    'elicitation/create',
    'roots/list',
    '__proto__',
    '',
  ];
  for (const method of methods) {
    const answer = await send(port, modern(method, { uri: 'file:///x', name: 'x' }));
    assert.deepEqual([answer.status, errorOf(answer).code, answer.json.id], [404, -32601, 1], method);
  }
  assert.deepEqual(
    gateway.refused.map(({ method }) => method),
    methods,
  );
});

test('a client that did not declare the tasks extension is told that, whatever the task [MCP26-15]', async (t) => {
  const { port, gateway } = await serve(t);
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
    const asked = { taskId: 'any', ...(method === 'tasks/update' ? { inputResponses: {} } : {}) };
    const answer = await send(port, modern(method, asked));
    assert.deepEqual([answer.status, errorOf(answer).code], [400, -32021], method);
    assert.deepEqual(errorOf(answer).data.requiredCapabilities, { extensions: { [TASKS]: {} } });
    const declared = { ...envelope(), [CAPABILITIES]: { extensions: { [TASKS]: {} } } };
    assert.equal((await send(port, modern(method, { ...asked, _meta: declared }))).status, 200);
  }
  assert.deepEqual(
    gateway.requests.map(({ method }) => method),
    ['tasks/get', 'tasks/update', 'tasks/cancel'],
  );
});

test('Mcp-Method and Mcp-Name repeat the body exactly; the body is what is decided [MCP26-10] [G3] [B26-316]', async (t) => {
  const { port, gateway } = await serve(t);
  const named: [string, JsonObject][] = [
    ['tools/call', { name: 'echo' }],
    ['resources/read', { uri: 'echo' }],
    ['prompts/get', { name: 'echo' }],
  ];
  for (const [method, params] of named) {
    const good = modern(method, params);
    const wrong: [string, string | string[] | undefined][] = [
      ['Mcp-Method', undefined],
      ['Mcp-Method', 'tools/list'],
      ['Mcp-Method', method.toUpperCase()],
      ['Mcp-Method', [method, method]],
      ['Mcp-Name', undefined],
      ['Mcp-Name', 'rm'],
      ['Mcp-Name', 'Echo'],
      ['Mcp-Name', ''],
      ['Mcp-Name', ['echo', 'rm']],
    ];
    for (const [header, value] of wrong) {
      const headers = { ...good.headers };
      if (value === undefined) delete headers[header];
      else headers[header] = value;
      const answer = await send(port, { ...good, headers });
      assert.deepEqual(
        [answer.status, errorOf(answer).code, errorOf(answer).data.header],
        [400, -32020, header],
        `${method} ${value}`,
      );
    }
  }
  assert.equal(gateway.calls.length + gateway.refused.length, 0);
  const lower = Object.fromEntries(
    Object.entries(modern('tools/call', { name: 'echo' }).headers ?? {}).map(([k, v]) => [k.toLowerCase(), v]),
  );
  assert.equal((await send(port, { ...modern('tools/call', { name: 'echo' }), headers: lower })).status, 200);
  assert.equal(gateway.calls[0]?.name, 'echo');
});

test('an encoded name is decoded before it is compared, strictly [MCP26-11] [ATK-16] [B26-323]', async (t) => {
  const { port, gateway } = await serve(t);
  const ask = async (name: string, header: string) => {
    const answer = await send(port, modern('tools/call', { name }, { headers: { 'Mcp-Name': header } }));
    return answer.status === 200 ? 'agrees' : errorOf(answer).code;
  };
  assert.equal(await ask('wetter_köln', base64('wetter_köln')), 'agrees');
  assert.equal(await ask('a\r\nX-Injected: 1', base64('a\r\nX-Injected: 1')), 'agrees');
  assert.equal(await ask('=?base64?ZWNobw==?=', base64('=?base64?ZWNobw==?=')), 'agrees');
  assert.equal(await ask('=?BASE64?ZWNobw==?=', '=?BASE64?ZWNobw==?='), 'agrees');
  for (const header of [
    base64('rm'),
    '=?base64?ZWNobx==?=',
    '=?base64?ZWNobw?=',
    '=?base64??=',
    '=?BASE64?ZWNobw==?=',
    '=?base64?_-8=?=',
    'ech\u00f6',
  ]) {
    assert.equal(await ask('echo', header), -32020, header);
  }
  assert.equal(gateway.calls.length, 4);
});

test('a mirrored argument must equal its header at the exact path [MCP26-12] [G3] [ATK-16] [B26-325] [B26-326]', async (t) => {
  const { port, gateway } = await serve(t);
  const table: [JsonObject, Record<string, string>, boolean][] = [
    [{}, {}, true],
    [{ region: null }, {}, true],
    [{ region: 'eu' }, { 'Mcp-Param-Region': 'eu' }, true],
    [{ region: 'eu' }, { 'mcp-param-region': base64('eu') }, true],
    [{ region: 'eu' }, {}, false],
    [{ region: 'eu' }, { 'Mcp-Param-Region': 'EU' }, false],
    [{ region: 'eu' }, { 'Mcp-Param-Region': '=?base64?!?=' }, false],
    [{}, { 'Mcp-Param-Region': 'eu' }, false],
    [{ region: null }, { 'Mcp-Param-Region': 'null' }, false],
    [{ count: 42 }, { 'Mcp-Param-Count': '42' }, true],
    [{ count: 42 }, { 'Mcp-Param-Count': '42.0' }, true],
    [{ count: 42 }, { 'Mcp-Param-Count': '43' }, false],
    [{ count: 42 }, { 'Mcp-Param-Count': '0x2a' }, false],
    [{ count: 42 }, { 'Mcp-Param-Count': '' }, false],
    [{ urgent: false }, { 'Mcp-Param-Urgent': 'false' }, true],
    [{ urgent: false }, { 'Mcp-Param-Urgent': 'False' }, false],
    [{ place: { city: 'Köln' } }, { 'Mcp-Param-City': base64('Köln') }, true],
    [{ place: { city: 'Köln' } }, {}, false],
    [{ city: 'x' }, {}, true],
    [{ city: 'x' }, { 'Mcp-Param-City': 'x' }, false],
    [{}, { 'Mcp-Param-Unknown': 'ignored' }, true],
  ];
  for (const [args, headers, agrees] of table) {
    const answer = await send(port, call(args, headers));
    const told = `${JSON.stringify(args)} ${JSON.stringify(headers)}`;
    assert.equal(answer.status, agrees ? 200 : 400, told);
    if (!agrees) assert.equal(errorOf(answer).code, -32020, told);
  }
  assert.equal(gateway.calls.length, table.filter(([, , agrees]) => agrees).length);
});

test('numbers that differ only in how they are written agree, beyond 2^53 only when written alike [MCP26-12]', async (t) => {
  const { port } = await serve(t);
  const ask = async (lexeme: string, header: string): Promise<number> => {
    const sent = call({ count: 1 }, { 'Mcp-Param-Count': header });
    return (await send(port, { ...sent, body: JSON.stringify(sent.body).replace('"count":1', `"count":${lexeme}`) }))
      .status;
  };
  assert.equal(await ask('42.0', '42'), 200);
  assert.equal(await ask('9007199254740993', '9007199254740993'), 200);
  assert.equal(await ask('9007199254740993', '9007199254740992'), 400);
});

test('_meta must name version and capabilities [MCP26-14] [B26-116]', async (t) => {
  const { port, gateway } = await serve(t);
  const bad: [JsonValue | undefined, string[]][] = [
    [undefined, [VERSION, CAPABILITIES]],
    [{}, [VERSION, CAPABILITIES]],
    ['x', [VERSION, CAPABILITIES]],
    [{ [VERSION]: MODERN }, [CAPABILITIES]],
    [{ [CAPABILITIES]: {} }, [VERSION]],
    [{ [VERSION]: 20260728, [CAPABILITIES]: {} }, [VERSION]],
    [{ [VERSION]: MODERN, [CAPABILITIES]: [] }, [CAPABILITIES]],
  ];
  for (const [meta, missing] of bad) {
    const sent = modern('tools/call', { name: 'echo' });
    const params = meta === undefined ? { name: 'echo' } : { name: 'echo', _meta: meta };
    const answer = await send(port, { ...sent, body: { jsonrpc: '2.0', id: 5, method: 'tools/call', params } });
    assert.deepEqual([answer.status, errorOf(answer).code, answer.json.id], [400, -32602, 5]);
    assert.deepEqual(errorOf(answer).data.missing, missing);
  }
  assert.equal(gateway.calls.length, 0);
});

test('ids come back with type and value; no id, no echo [MCP26-16] [G7] [ATK-20]', async (t) => {
  const { port } = await serve(t);
  for (const id of [1, '1', '', 9007199254740991, -1]) {
    assert.equal((await send(port, modern('tools/list', {}, { id }))).json.id, id);
    assert.equal((await send(port, modern('tools/call', { name: 'nobody' }, { id }))).json.id, id);
  }
  for (const id of [1.5, null, {}, [1], 2 ** 53, true]) {
    const answer = await send(port, {
      ...modern('tools/list'),
      body: { jsonrpc: '2.0', id, method: 'tools/list', params: { _meta: envelope() } },
    });
    assert.deepEqual([answer.status, errorOf(answer).code, 'id' in answer.json], [400, -32600, false]);
  }
});

test('discovery names versions, capabilities and identity, for this caller only [MCP26-21] [MCP26-23] [MCP26-44] [D-50]', async (t) => {
  const { port, gateway } = await serve(t);
  const answer = await send(port, modern('server/discover'));
  const { _meta, ttlMs, ...rest } = result(answer);
  assert.deepEqual(rest, {
    supportedVersions: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'],
    capabilities: {
      logging: {},
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      completions: {},
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    },
    cacheScope: 'private',
    resultType: 'complete',
  });
  assert.deepEqual(_meta, { 'io.modelcontextprotocol/serverInfo': SERVER_INFO });
  assert.ok(Number.isSafeInteger(ttlMs) && Number(ttlMs) >= 0);
  assert.equal(gateway.counts.get('discovered'), 1);
});

test('the version that we name is the one of the package', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  assert.equal(SERVER_INFO.version, manifest.version);
});

test('lists are the same on every connection, private, and paged by opaque cursors, the empty one included [MCP26-22] [MCP26-23] [MCP26-24]', async (t) => {
  const { port } = await serve(t);
  const first = await send(port, modern('tools/list'));
  assert.deepEqual((await send(port, modern('tools/list'))).json, first.json);
  assert.deepEqual((await send(port, { ...modern('tools/list'), credential: BOB })).json, first.json);
  assert.deepEqual(
    [result(first).nextCursor, result(first).cacheScope, result(first).resultType],
    ['', 'private', 'complete'],
  );
  const second = result(await send(port, modern('tools/list', { cursor: '' })));
  assert.deepEqual(
    (second.tools as JsonObject[]).map(({ name }) => name),
    ['wait'],
  );
  assert.equal('nextCursor' in second, false);
  for (const cursor of ['nowhere', 1, {}]) {
    const answer = await send(port, modern('tools/list', { cursor }));
    assert.deepEqual([answer.status, errorOf(answer).code], [200, -32602]);
  }
});

test('a refusal by policy is an answer, with a code outside the reserved range and nothing but what the gateway says', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.onCall = async () => failure('POLICY_DENY');
  const answer = await send(port, modern('tools/call', { name: 'echo' }));
  assert.equal(answer.status, 200);
  assert.deepEqual(errorOf(answer), {
    code: 4002,
    message: 'Request denied by policy.',
    data: { error_code: 'POLICY_DENY', call_id: 'call-1' },
  });
});

test('tool parameters of the wrong shape are refused in band, not guessed at [D-05]', async (t) => {
  const { port, gateway } = await serve(t);
  const bad: JsonObject[] = [
    {},
    { name: 1 },
    { name: 'echo', arguments: null },
    { name: 'echo', arguments: [] },
    { name: 'echo', arguments: 'x' },
    { name: 'echo', _cmcp: 'x' },
    { name: 'echo', _cmcp: { data_class: 1 } },
    { name: 'echo', _meta: envelope({ 'io.cmcp/call': [] }) },
    { name: 'echo', _meta: envelope({ 'io.cmcp/session': 1 }) },
    { name: 'echo', _cmcp: { data_class: 'pii' }, _meta: envelope({ 'io.cmcp/call': { data_class: 'public' } }) },
    { name: 'echo', _meta: envelope({ 'io.cmcp/data_class': 'pii' }) },
    { name: 'echo', _meta: envelope({ 'io.cmcp/call': { dataclass: 'pii' } }) },
    { name: 'echo', requestState: 1 },
    { name: 'echo', inputResponses: null },
    { name: 'echo', inputResponses: { name: 12345 } },
    { name: 'echo', _meta: envelope({ progressToken: {} }) },
    { name: 'echo', _meta: envelope({ 'io.modelcontextprotocol/logLevel': 'loud' }) },
  ];
  for (const params of bad) {
    const answer = await send(port, modern('tools/call', params));
    assert.deepEqual([answer.status, errorOf(answer).code], [200, -32602], JSON.stringify(params));
  }
  assert.equal(gateway.calls.length, 0);
});

test('session handle, workflow and declared class are taken from where they are defined', async (t) => {
  const { port, gateway } = await serve(t);
  const declared = { workflow_id: 'w-1', data_class: 'pii' };
  const _meta = envelope({ 'io.cmcp/call': declared, 'io.cmcp/session': 'handle-1' });
  await send(port, modern('tools/call', { name: 'echo', _meta }));
  await send(port, modern('tools/call', { name: 'echo', _cmcp: declared }));
  await send(port, modern('tools/call', { name: 'echo', _cmcp: declared, _meta }));
  await send(port, modern('foo/bar', { _meta }));
  for (const { workflow, dataClass } of gateway.calls) assert.deepEqual([workflow, dataClass], ['w-1', 'pii']);
  assert.deepEqual(
    gateway.calls.map(({ handle }) => handle),
    ['handle-1', null, 'handle-1'],
  );
  assert.equal(gateway.refused[0]?.handle, 'handle-1');
});

test('transport sessions and stream positions mean nothing to a stateless request [MCP26-27] [MCP26-20]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  for (const id of [session, 'invented']) {
    const headers = { 'Mcp-Session-Id': id, 'Last-Event-ID': '7' };
    const answer = await send(port, { ...modern('tools/call', { name: 'echo' }, { headers }), credential: BOB });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['mcp-session-id'], undefined);
  }
  assert.ok(gateway.calls.every((each) => each.session === null));
});

test('closing the connection cancels the call [MCP26-26]', async (t) => {
  const { port, gateway } = await serve(t);
  const cancelled = gateway.hang();
  const called = gateway.called();
  const abort = new AbortController();
  const sent = modern('tools/call', { name: 'wait' });
  const answer = fetch(`http://127.0.0.1:${port}/mcp`, {
    method: 'POST',
    headers: {
      ...(sent.headers as Record<string, string>),
      Authorization: 'Bearer token-of-alice',
      'Content-Type': 'application/json',
    },
    body: JSON.stringify(sent.body),
    signal: abort.signal,
  });
  await called;
  abort.abort();
  await assert.rejects(answer);
  assert.equal((await cancelled).name, 'wait');
  gateway.onCall = async (each) => echo(each);
  assert.equal((await send(port, sent)).status, 200);
});

test('names, titles and client identity are never part of what is decided', async (t) => {
  const { port, gateway } = await serve(t);
  for (const name of ['a', 'admin']) {
    const _meta = envelope({ 'io.modelcontextprotocol/clientInfo': { name, version: '1' } });
    await send(port, modern('tools/call', { name: 'echo', _meta, title: name }));
  }
  const seen = gateway.calls.map(({ signal: _, client: __, ...each }) => each);
  assert.deepEqual(seen[0], seen[1]);
});

test('the body decides the family; an initialize that its header calls stateless is refused [ERA-01]', async (t) => {
  const { port } = await serve(t);
  const answer = await send(port, { ...initialize(), headers: { 'MCP-Protocol-Version': MODERN } });
  assert.deepEqual([answer.status, errorOf(answer).code], [400, -32020]);
  const mixed = await send(port, modern('initialize', { protocolVersion: '2025-11-25' }));
  assert.deepEqual([mixed.status, errorOf(mixed).code], [404, -32601]);
  assert.equal((await send(port, initialize())).status, 200);
});
