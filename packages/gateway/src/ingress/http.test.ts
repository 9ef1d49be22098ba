import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { result } from '../../../../tests/support/fake-governed.ts';
import {
  ALICE,
  BOB,
  envelope,
  errorOf,
  initialize,
  MODERN,
  modern,
  open,
  raw,
  send,
  serve,
} from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { GatewayError } from '../errors.ts';

const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };
const START = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${ALICE}\r\nContent-Type: application/json\r\n`;

test('the listener is on loopback only, and a port in use is said plainly [MCP26-03] [D-01] [G2]', async (t) => {
  const { ingress, port } = await serve(t);
  const address = ingress.server.address();
  assert.equal(typeof address === 'object' && address?.address, '127.0.0.1');
  await assert.rejects(
    serve(t, { listen: { host: '127.0.0.1', port } }),
    (error) => error instanceof GatewayError && error.code === 'LISTEN_FAILED',
  );
});

test('only liveness answers without a credential [G1] [D-01] [AISVS-10.2.1]', async (t) => {
  const { port, gateway } = await serve(t);
  const health = await send(port, { method: 'GET', path: '/healthz', credential: null });
  assert.deepEqual([health.status, health.text], [200, 'ok']);
  for (const method of ['POST', 'GET', 'DELETE', 'PUT', 'OPTIONS']) {
    const answer = await send(port, { method, credential: null, ...(method === 'POST' ? { body: PING } : {}) });
    assert.equal(answer.status, 401, method);
    assert.match(String(answer.headers['www-authenticate']), /^Bearer/);
  }
  for (const path of [
    '/',
    '/mcp/',
    '/MCP',
    '/%6dcp',
    '//mcp',
    '/mcp;x',
    '/tools/list',
    '/operator/v1/sessions',
    '/healthz/',
  ]) {
    const answer = await send(port, { path, body: PING });
    assert.equal(answer.status, 404, path);
  }
  assert.equal((await send(port, { method: 'POST', path: '/healthz', body: PING, credential: null })).status, 404);
  assert.equal(gateway.calls.length + gateway.opened.length + gateway.refused.length, 0);
});

test('a Host that is not on the list is refused, with or without a good Origin [MCP26-02] [G2] [D-52] [ATK-27] [AISVS-10.3.3]', async (t) => {
  const { port, gateway } = await serve(t, { allowedHosts: ['gw.example', 'other.example:8443'] });
  const good = [
    'localhost',
    `localhost:${port}`,
    `127.0.0.1:${port}`,
    '[::1]:80',
    'GW.example',
    'gw.example:99',
    'other.example:8443',
  ];
  for (const Host of good) assert.equal((await send(port, { headers: { Host }, body: PING })).status, 200, Host);
  const evil = [
    'evil.example',
    'localhost.evil.example',
    'other.example',
    'gw.example.',
    '127.0.0.1@evil',
    'gw.example:x',
    ' ',
    '0.0.0.0',
  ];
  for (const Host of evil) {
    for (const headers of [{ Host }, { Host, Origin: 'https://app.example' }]) {
      const answer = await send(port, { headers, body: '{' });
      assert.equal(answer.status, 403, Host);
      assert.equal(errorOf(answer).data.error_code, 'HOST_REFUSED');
    }
  }
  assert.equal((await send(port, { method: 'GET', path: '/healthz', headers: { Host: 'evil.example' } })).status, 403);
  assert.equal(gateway.counts.get('host_refused'), evil.length * 2 + 1);
  assert.equal(gateway.counts.get('parse_error'), undefined);
});

test('an Origin that is not on the list, or is null, is refused before the body is read [MCP26-02] [MCP25-19] [G2] [ATK-27] [AISVS-10.3.3] [B26-302] [B25-302]', async (t) => {
  const { port, gateway } = await serve(t, { allowedOrigins: ['https://app.example', 'null'] });
  assert.equal((await send(port, { headers: { Origin: 'https://app.example' }, body: PING })).status, 200);
  const evil = [
    'https://evil.example',
    'null',
    '',
    'http://app.example',
    'https://app.example:8443',
    `http://127.0.0.1:${port}`,
  ];
  for (const Origin of evil) {
    const answer = await send(port, { headers: { Origin }, body: '{' });
    assert.equal(answer.status, 403, Origin);
    assert.equal('id' in answer.json, false);
  }
  const twice = await raw(
    port,
    `POST /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  );
  assert.match(twice, /^HTTP\/1\.1 403 /);
  assert.equal(gateway.counts.get('origin_refused'), evil.length + 1);
});

test('a bad credential is 401 whatever it looks like, and never reaches a handler [AUTHZ-14] [D-52] [AISVS-10.2.1] [B25-323]', async (t) => {
  const { port, gateway } = await serve(t);
  const bad = ['Bearer nobody', 'Basic x', 'Bearer', `${ALICE} x`, 'Bearer \u00ff\u00fe', `Bearer ${'x'.repeat(9000)}`];
  for (const credential of bad) assert.equal((await send(port, { body: PING, credential })).status, 401, credential);
  const twice = await raw(
    port,
    `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${ALICE}\r\nAuthorization: ${BOB}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  );
  assert.match(twice, /^HTTP\/1\.1 401 /);
  assert.equal(gateway.counts.get('unauthenticated'), bad.length + 1);
  assert.equal(gateway.counts.get('pinged'), undefined);
});

test('a token in the query string is refused, alone and beside a good header [AUTHZ-04]', async (t) => {
  const { port } = await serve(t);
  assert.equal(
    (await send(port, { path: '/mcp?access_token=token-of-alice', body: PING, credential: null })).status,
    401,
  );
  assert.equal((await send(port, { path: '/mcp?access_token=token-of-alice', body: PING })).status, 400);
  assert.equal((await send(port, { path: '/mcp?', body: PING })).status, 400);
});

test('failed attempts are limited per address and forgotten in time; a valid credential always passes [AUTHZ-14] [D-06]', async (t) => {
  const clock = new ManualTime();
  const { port, gateway } = await serve(t, { clock });
  const attempt = async (): Promise<number> => (await send(port, { body: PING, credential: 'Bearer x' })).status;
  for (let i = 0; i < 20; i++) assert.equal(await attempt(), 401);
  const limited = await send(port, { body: PING, credential: 'Bearer x' });
  assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '60']);
  assert.equal((await send(port, { body: PING })).status, 200);
  clock.advance(60_000);
  assert.equal(await attempt(), 401);
  assert.equal(gateway.counts.get('unauthenticated'), 22);
});

test('a body beyond the limit is refused when it is announced and when it streams, and the connection closes [G5] [D-06] [ATK-14]', async (t) => {
  const { port, gateway } = await serve(t, { limits: { bodyBytes: 1000, depth: 32 } });
  const fits = JSON.stringify({ ...PING, params: { pad: '' } });
  const exact = fits.replace('""', `"${'x'.repeat(1000 - fits.length)}"`);
  assert.equal((await send(port, { body: exact })).status, 200);
  const announced = await send(port, { body: `${exact} ` });
  assert.deepEqual([announced.status, announced.headers.connection], [413, 'close']);
  const chunk = `400\r\n${'x'.repeat(0x400)}\r\n`;
  const streamed = await raw(port, `${START}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`);
  assert.match(streamed, /^HTTP\/1\.1 413 .*"error_code":"BODY_TOO_LARGE"/s);
  assert.equal(gateway.counts.get('too_large'), 2);
});

test('a body is refused by its announced length alone, before any of it is sent [G5] [ATK-14]', async (t) => {
  const { port } = await serve(t);
  const socket = connect(port, '127.0.0.1');
  socket.write(`${START}Content-Length: 1000001\r\n\r\n`);
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 413 /);
  socket.destroy();
});

test('a body of 50 MB is refused without being kept [G5] [ATK-14]', async (t) => {
  const { port } = await serve(t);
  const before = process.memoryUsage().rss;
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.on('error', () => resolve()).on('close', () => resolve()));
  const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
  socket.write(`${START}Transfer-Encoding: chunked\r\n\r\n`);
  let sent = 0;
  const pump = (): void => {
    while (sent < 50_000_000 && !socket.destroyed) {
      sent += 65_536;
      if (!socket.write(`10000\r\n${' '.repeat(65_536)}\r\n`)) return void socket.once('drain', pump);
    }
  };
  pump();
  assert.match(await answered, /^HTTP\/1\.1 413 /);
  await closed;
  assert.ok(sent < 10_000_000, `stopped after ${sent} bytes`);
  assert.ok(process.memoryUsage().rss - before < 60_000_000);
});

test('JSON that two readers could read differently is refused before anything sees it [G4] [G5] [D-52] [ATK-11] [ATK-14]', async (t) => {
  const { port, gateway } = await serve(t);
  const call = (members: string): string =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":${JSON.stringify(envelope())},${members}}}`;
  const bad = [
    call('"name":"echo","name":"rm"'),
    call('"name":"echo","n\\u0061me":"rm"'),
    call('"name":"echo","arguments":{"a":{"b":1,"b":2}}'),
    call(`"name":"echo","arguments":{"a":${'9'.repeat(5000)}}`),
    call('"name":"echo","arguments":{"a":NaN}'),
    call('"name":"echo","arguments":{"a":"\\ud800"}'),
    '['.repeat(100_000),
    `${'['.repeat(200_000)}${']'.repeat(200_000)}`,
    '',
    '{',
    '{} {}',
    '\ufeff{}',
  ];
  for (const body of bad) {
    const answer = await send(port, {
      body,
      headers: { 'MCP-Protocol-Version': MODERN, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'echo' },
    });
    assert.equal(answer.status, 400, body.slice(0, 80));
    assert.equal(errorOf(answer).code, -32700);
    assert.equal('id' in answer.json, false);
  }
  assert.equal(gateway.counts.get('parse_error'), bad.length);
  assert.equal(gateway.calls.length, 0);
});

test('what a body says is never said back when it cannot be parsed', async (t) => {
  const { port, faults } = await serve(t);
  const answer = await send(port, { body: '{"canary-4711": tru' });
  assert.equal(answer.text.includes('canary'), false);
  assert.deepEqual(faults, []);
});

test('the body must be declared as plain JSON, and the answer must be acceptable [MCP26-06]', async (t) => {
  const { port } = await serve(t);
  const body = JSON.stringify(PING);
  for (const type of [
    'text/plain',
    'application/json-rpc',
    'application/json; charset=utf-16',
    'application/x-www-form-urlencoded',
    '',
  ]) {
    assert.equal((await send(port, { body, headers: { 'Content-Type': type } })).status, 415, type);
  }
  assert.equal((await send(port, { body, headers: { 'Content-Encoding': 'gzip' } })).status, 415);
  assert.equal(
    (await send(port, { body, headers: { 'Content-Type': 'application/json; charset=UTF-8' } })).status,
    200,
  );
  for (const [Accept, status] of [
    ['text/html', 406],
    ['application/json;q=0', 406],
    ['*/*', 200],
    ['text/event-stream, Application/JSON;q=0.5', 200],
  ] as const) {
    assert.equal((await send(port, { body, headers: { Accept } })).status, status, Accept);
  }
});

test('an ambiguous or malformed request is answered with 400 and a closed connection [ATK-17] [ATK-16]', async (t) => {
  const { port, gateway } = await serve(t);
  const body = JSON.stringify(PING);
  const length = `Content-Length: ${body.length}\r\n`;
  const bad: Record<string, string> = {
    'both lengths': `${START}${length}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'two lengths': `${START}${length}Content-Length: ${body.length + 1}\r\n\r\n${body}`,
    'folded header': `${START}${length}X-Folded: a\r\n b\r\nConnection: close\r\n\r\n${body}`,
    'space in a name': `${START}${length}Bad Name: a\r\n\r\n${body}`,
    'space before colon': `${START}Content-Length : ${body.length}\r\n\r\n${body}`,
    'unknown coding': `${START}Transfer-Encoding: xchunked\r\n\r\n${body}`,
    'bad chunk': `${START}Transfer-Encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`,
    'NUL in a header': `${START}Mcp-Name: a\0b\r\n${length}\r\n${body}`,
    'bare CR in a header': `${START}Mcp-Name: a\rb\r\n${length}\r\n${body}`,
    'two hosts': `${START}Host: evil.example\r\n${length}Connection: close\r\n\r\n${body}`,
    'no host': `POST /mcp HTTP/1.1\r\nAuthorization: ${ALICE}\r\n${length}\r\n${body}`,
    'not HTTP': 'hello\r\n\r\n',
  };
  for (const [name, text] of Object.entries(bad)) {
    assert.match(await raw(port, text), /^HTTP\/1\.1 (400|403) /, name);
  }
  assert.equal(gateway.counts.get('pinged'), undefined);
});

test('answers say nothing about the program and are not to be cached', async (t) => {
  const { port } = await serve(t);
  for (const answer of [await send(port, { body: PING }), await send(port, { path: '/x' })]) {
    assert.equal(answer.headers.server, undefined);
    assert.equal(answer.headers['x-powered-by'], undefined);
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  }
});

test('no body makes the gateway answer 5xx or show internals [D-05] [D-52]', async (t) => {
  const { port, faults } = await serve(t);
  const shape = fc.record(
    {
      jsonrpc: fc.constantFrom('2.0', 2, null),
      id: fc.oneof(fc.string(), fc.integer(), fc.jsonValue()),
      method: fc.oneof(
        fc.constantFrom('initialize', 'tools/call', 'tools/list', 'ping', 'server/discover', '__proto__'),
        fc.jsonValue(),
      ),
      params: fc.oneof(
        fc.record(
          { name: fc.jsonValue(), arguments: fc.jsonValue(), _meta: fc.jsonValue(), cursor: fc.jsonValue() },
          { requiredKeys: [] },
        ),
        fc.record({
          name: fc.constant('echo'),
          arguments: fc.jsonValue(),
          _meta: fc.constant(envelope()),
          _cmcp: fc.jsonValue(),
        }),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(shape, fc.constantFrom({}, { 'MCP-Protocol-Version': MODERN }), async (body, headers) => {
      const answer = await send(port, { body: JSON.stringify(body), headers });
      assert.ok(answer.status < 500, answer.text);
      if (answer.status === 202) return;
      const error = answer.json.error as { code?: number; data?: { error_code?: string } } | undefined;
      assert.notEqual(error?.code, -32603);
      assert.equal(/\bat .*\.[tj]s:\d/.test(answer.text), false);
      if (answer.status >= 400)
        assert.ok([-32600, -32601, -32602, -32020, -32022, -32000].includes(error?.code ?? 0), answer.text);
    }),
    { numRuns: 150 },
  );
  assert.deepEqual(faults, []);
});

test('an error that nobody foresaw is answered without internals and reported once', async (t) => {
  const { port, gateway, faults } = await serve(t);
  gateway.onCall = () => Promise.reject(new TypeError('secret detail'));
  const answer = await send(port, modern('tools/call', { name: 'echo' }));
  assert.deepEqual([answer.status, errorOf(answer).code], [200, -32603]);
  assert.equal(answer.text.includes('secret'), false);
  assert.equal(faults.length, 1);
  const startup = new GatewayError('STORE_INVALID', 'secret path');
  gateway.onCall = () => Promise.reject(startup);
  assert.equal(errorOf(await send(port, modern('tools/call', { name: 'echo' }))).code, -32603);
  assert.equal(faults[1], startup);
});

test('a result that JSON cannot carry is a fault, with the id of its request', async (t) => {
  const { port, gateway, faults } = await serve(t);
  gateway.onCall = async () => result({ n: 0.5 });
  const answer = await send(port, modern('tools/call', { name: 'echo' }, { id: 'abc' }));
  assert.deepEqual([answer.json.id, errorOf(answer).code], ['abc', -32603]);
  assert.equal(faults.length, 1);
});

test('arguments reach the gateway exactly as written, prototype keys included, and change no prototype [G6] [ATK-12]', async (t) => {
  const { port, gateway } = await serve(t);
  const args = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"n":1.0}';
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${args},"_meta":${JSON.stringify(envelope())}}}`;
  const answer = await send(port, { body, headers: modern('tools/call', { name: 'echo' }).headers ?? {} });
  assert.equal((answer.json.result as { content: { text: string }[] }).content[0]?.text, args);
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  assert.equal(Object.getPrototypeOf(gateway.calls[0]?.arguments), Object.prototype);
});

test('two principals on one connection are told apart on every request [MCP26-20] [G7] [ATK-20]', async (t) => {
  const { port, gateway } = await serve(t);
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const request = (credential: string, id: string, close = ''): string => {
    const sent = modern('tools/call', { name: 'echo' }, { id: JSON.parse(id) });
    const body = JSON.stringify(sent.body);
    const headers = Object.entries(sent.headers ?? {})
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
    return `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${credential}\r\nContent-Type: application/json\r\n${headers}${close}Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  socket.write(request(ALICE, '1') + request(BOB, '"1"') + request(ALICE, '9007199254740991', 'Connection: close\r\n'));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  const ids = [
    ...Buffer.concat(chunks)
      .toString()
      .matchAll(/"id":([^,]+),"result"/g),
  ].map((match) => match[1]);
  assert.deepEqual(ids, ['1', '"1"', '9007199254740991']);
  assert.deepEqual(
    gateway.calls.map(({ caller }) => caller.subject),
    ['alice', 'bob', 'alice'],
  );
  assert.deepEqual(
    gateway.calls.map(({ caller }) => caller.source),
    ['bearer', 'bearer', 'bearer'],
  );
});

test('closing lets calls in flight finish, refuses new ones, and ends every session [G5]', async (t) => {
  const { port, gateway, ingress } = await serve(t);
  await open(port);
  let release = (): void => {};
  gateway.onCall = () =>
    new Promise((resolve) => {
      release = () => resolve(result({ content: [] }));
    });
  const called = gateway.called();
  const call = send(port, modern('tools/call', { name: 'wait' }));
  await called;
  const closed = ingress.close();
  await assert.rejects(send(port, { body: PING }));
  release();
  const answer = await call;
  assert.deepEqual([answer.status, answer.headers.connection], [200, 'close']);
  await closed;
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'shutdown' }]);
});

test('closing aborts what does not finish in time', async (t) => {
  const timers = new ManualTime();
  const { ingress, port, gateway } = await serve(t, { timers });
  const cancelled = gateway.hang();
  const called = gateway.called();
  const call = send(port, modern('tools/call', { name: 'wait' }));
  await called;
  const closed = ingress.close();
  timers.advance(10_000);
  await cancelled;
  assert.equal((await call).status, 200);
  await closed;
});

test('a heartbeat that is due while a stream ends is not written', async (t) => {
  const timers = new ManualTime();
  const { ingress, port } = await serve(t, { timers });
  const headers = { authorization: ALICE, accept: 'text/event-stream', 'mcp-session-id': await open(port) };
  const stream = await fetch(`http://127.0.0.1:${port}/mcp`, { headers });
  const closed = ingress.close();
  timers.advance(15_000);
  assert.doesNotMatch(await stream.text(), /keep-alive/);
  await closed;
});

test('a request on a connection that is still open while the listener closes is refused', async (t) => {
  const { port, ingress, gateway } = await serve(t);
  gateway.hang();
  const called = gateway.called();
  const { body, headers } = modern('tools/call', { name: 'wait' });
  const text = JSON.stringify(body);
  const lines = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `${START}${lines.join('')}Content-Length: ${text.length}\r\n\r\n${text}`;
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(request);
  await called;
  const arrived = once(ingress.server, 'request');
  const closed = ingress.close();
  socket.write(request);
  await arrived;
  gateway.release();
  await closed;
  assert.equal(gateway.calls.length, 1);
});

test('a listener on another loopback address answers to that address and its port only [MCP26-02]', {
  skip: process.platform === 'linux' ? false : 'only Linux has all of 127.0.0.0/8',
}, async (t) => {
  const { port } = await serve(t, { listen: { host: '127.0.0.2', port: 0 } });
  for (const [Host, status] of [
    [`127.0.0.2:${port}`, 200],
    [`127.0.0.2:${port - 1}`, 403],
    ['127.0.0.2', 403],
  ] as const) {
    const health = await send(port, { host: '127.0.0.2', method: 'GET', path: '/healthz', headers: { Host } });
    assert.equal(health.status, status, Host);
  }
});

test('a listener without credentials lets nobody in [D-01] [G1]', async (t) => {
  const { port } = await serve(t, { agents: [] });
  assert.equal((await send(port, { body: PING })).status, 401);
  assert.equal((await send(port, initialize())).status, 401);
});
