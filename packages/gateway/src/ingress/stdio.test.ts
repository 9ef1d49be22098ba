import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import fc from 'fast-check';
import { echo } from '../../../../tests/support/fake-governed.ts';
import { envelope, initialize } from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { pipe } from '../../../../tests/support/pipe.ts';
import { GatewayError } from '../errors.ts';
import { readLines } from './lines.ts';

const INITIALIZE = initialize().body as JsonValue;
const PING = { jsonrpc: '2.0', id: 'p', method: 'ping' };
const call = (id: number | string, name = 'echo', extra: JsonObject = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: { text: 'x' }, ...extra },
});
const modern = (id: number | string, method: string, params: JsonObject = {}) => ({
  jsonrpc: '2.0',
  id,
  method,
  params: { _meta: envelope(), ...params },
});
const cancel = (requestId: number | string) => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
});

const codeOf = (message: JsonObject) => (message.error as JsonObject | undefined)?.code;

test('a client that begins with initialize is served in a session, which ends with its input [MCP25-01] [MCP25-02] [D-50]', async (t) => {
  const { gateway, write, read, input, done } = pipe(t);
  write(PING, INITIALIZE, { jsonrpc: '2.0', method: 'notifications/initialized' }, call(1), INITIALIZE);
  assert.deepEqual(await read(), { jsonrpc: '2.0', id: 'p', result: {} });
  assert.equal(((await read()).result as JsonObject).protocolVersion, '2025-11-25');
  assert.equal((await read()).id, 1);
  assert.equal(codeOf(await read()), -32600);
  assert.deepEqual(gateway.calls[0]?.session, {
    sessionId: 'audited-1',
    caller: { subject: 'desktop', source: 'stdio' },
  });
  input.end();
  await done;
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'client' }]);
});

test('a stateless client is served by each message alone [ERA-01] [MCP26-08] [MCP26-14] [MCP26-21]', async (t) => {
  const { gateway, write, read } = pipe(t);
  write(modern(1, 'server/discover'));
  assert.equal(((await read()).result as JsonObject).resultType, 'complete');
  write(modern(2, 'tools/call', { name: 'echo' }));
  assert.equal((await read()).id, 2);
  write(modern(3, 'tools/call', { name: 'echo', _meta: envelope({}, '1900-01-01') }));
  assert.equal(codeOf(await read()), -32022);
  write(modern(4, 'tools/call', { name: 'echo', _meta: { 'io.modelcontextprotocol/clientCapabilities': {} } }));
  assert.equal(codeOf(await read()), -32602);
  write(modern(5, 'foo/bar'));
  assert.equal(codeOf(await read()), -32601);
  assert.equal(gateway.opened.length, 0);
});

test('nothing but ping comes before initialize [MCP25-01]', async (t) => {
  const { gateway, write, read } = pipe(t);
  write(call(1), { jsonrpc: '2.0', id: 2, method: 'tools/list' });
  for (const id of [1, 2]) {
    const answer = await read();
    assert.deepEqual([answer.id, codeOf(answer)], [id, -32600]);
    const { data } = answer.error as { data: JsonObject };
    assert.equal(data.error_code, 'NOT_INITIALIZED');
  }
  assert.equal(gateway.calls.length, 0);
});

test('a line that is no message is answered without an id, and the next one is read [D-05] [D-06] [G5] [ATK-14]', async (t) => {
  const { gateway, write, read, faults } = pipe(t);
  const bad: [string, number][] = [
    ['{', -32700],
    ['{"a":1,"a":2}', -32700],
    ['['.repeat(10_000), -32700],
    ['x'.repeat(100_001), -32600],
    [`{"pad":"${'x'.repeat(90_000)}","a":1,"a":2}`, -32700],
    ['[]', -32600],
    ['null', -32600],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
  ];
  for (const [line, code] of bad) {
    write(line);
    const answer = await read();
    assert.deepEqual([codeOf(answer), 'id' in answer], [code, false], line.slice(0, 40));
  }
  write('', ' \t\r', { jsonrpc: '2.0', id: 1, result: {} }, { jsonrpc: '2.0', method: 'foo' }, PING);
  assert.equal((await read()).id, 'p');
  assert.deepEqual([gateway.counts.get('parse_error'), gateway.counts.get('too_large')], [4, 1]);
  assert.deepEqual(faults, []);
});

test('a cancelled request gets no answer, in both families [MCP25-13] [MCP26-26]', async (t) => {
  const { gateway, write, read } = pipe(t);
  write(INITIALIZE);
  await read();
  for (const message of [call(1, 'wait'), modern(1, 'tools/call', { name: 'wait' })]) {
    const cancelled = gateway.hang();
    const called = gateway.called();
    write(message);
    await called;
    write(cancel(2), cancel('1'), cancel(1));
    await cancelled;
    gateway.onCall = async (each) => echo(each);
    write(PING);
    assert.equal((await read()).id, 'p');
  }
});

test('an id in flight is refused without an id, so that its answer is not mistaken [MCP25-14] [G7] [ATK-20]', async (t) => {
  const { gateway, write, read } = pipe(t);
  write(INITIALIZE);
  await read();
  gateway.hang();
  const called = gateway.called();
  write(call(1, 'wait'));
  await called;
  write(call(1));
  const answer = await read();
  assert.deepEqual([codeOf(answer), 'id' in answer], [-32600, false]);
  gateway.onCall = async (each) => echo(each);
  write(call('1'));
  assert.equal((await read()).id, '1');
});

test('calls in flight finish after the input ends, then the session does', async (t) => {
  const { gateway, write, read, input, done } = pipe(t);
  write(INITIALIZE);
  await read();
  let finish = (): void => {};
  gateway.onCall = (each) =>
    new Promise((resolve) => {
      finish = () => resolve(echo(each));
    });
  const called = gateway.called();
  write(call(1));
  await called;
  input.end();
  finish();
  assert.equal((await read()).id, 1);
  await done;
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'client' }]);
});

test('calls that do not finish after the input ended are aborted, as are those of a shutdown', async (t) => {
  const time = new ManualTime();
  const stop = new AbortController();
  for (const reason of ['client', 'shutdown']) {
    const { gateway, write, read, input, done } = pipe(t, { time, signal: stop.signal });
    write(INITIALIZE);
    await read();
    const cancelled = gateway.hang();
    const called = gateway.called();
    write(call(1, 'wait'));
    await called;
    if (reason === 'client') input.end();
    else stop.abort();
    // The grace period begins when the end of the input has been read.
    await time.waitedFor();
    time.advance(10_000);
    await cancelled;
    await done;
    assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason }]);
  }
});

test('a client that does not read its answers is not read from', async (t) => {
  const output = new PassThrough({ highWaterMark: 16 });
  const { gateway, write, read, input } = pipe(t, { output });
  write(INITIALIZE, call(1), call(2));
  while (!output.writableNeedDrain) await new Promise((resolve) => setImmediate(resolve));
  input.write(' ');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(gateway.calls.length, 0);
  for (const id of ['init', 1, 2]) assert.equal((await read()).id, id);
  assert.equal(gateway.calls.length, 2);
});

test('an output that breaks ends the service and the session', async (t) => {
  const { gateway, write, read, output, done } = pipe(t);
  write(INITIALIZE);
  await read();
  gateway.hang();
  const called = gateway.called();
  write(call(1, 'wait'));
  await called;
  output.destroy(new Error('EPIPE'));
  await done;
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'client' }]);
});

test('a session that the log cannot open is refused, and the client may try again', async (t) => {
  const { gateway, write, read } = pipe(t);
  const { openSession } = gateway;
  gateway.openSession = () => Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'disk full'));
  write(INITIALIZE);
  assert.equal(codeOf(await read()), -32000);
  gateway.openSession = openSession;
  write(INITIALIZE);
  assert.equal(codeOf(await read()), undefined);
});

test('input is split at newlines however it arrives, and every line within the limit is kept [D-06]', async () => {
  const text = fc.array(
    fc.string({ maxLength: 20 }).map((line) => line.replaceAll('\n', '')),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(30), { maxLength: 50 }), async (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const input = new PassThrough();
      let at = 0;
      for (const cut of cuts) {
        input.write(bytes.subarray(at, at + cut));
        at += cut;
      }
      input.end(bytes.subarray(at));
      const read: string[] = [];
      for await (const line of readLines(input, 10))
        read.push('tooLong' in line ? 'TOO LONG' : Buffer.from(line.bytes).toString());
      assert.deepEqual(
        read,
        lines.map((line) => (Buffer.byteLength(line) > 10 ? 'TOO LONG' : line)),
      );
    }),
    { numRuns: 60 },
  );
});
