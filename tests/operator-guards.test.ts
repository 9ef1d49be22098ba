import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { callMeta } from './support/calls.ts';
import { GatedLog } from './support/gated-log.ts';
import { OPERATOR_TOKEN, type TestBed, withBed } from './support/gateway.ts';
import { askOperator, socketOf } from './support/operator.ts';
import { text } from './support/scripted-server.ts';
import { sessionFile } from './support/session-files.ts';

const onBed = (run: (bed: TestBed) => Promise<void>): Promise<void> => withBed({ tools: [{ name: 'echo' }] }, run);

const SOME = '00000000-0000-4000-8000-000000000000';
const path = (id: string, action = ''): string => `/operator/v1/sessions/${id}${action}`;

async function openedSession(bed: TestBed, url: URL): Promise<{ session_id: string; call_id: string }> {
  const client = await bed.client(url);
  return callMeta(await client.callTool({ name: 'echo', arguments: { secret: 'in the payload' } }));
}

/** The stream of events. What happens from now on will be in it. */
async function events(bed: TestBed): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
  const socketPath = join(bed.dataDir, 'operator.sock');
  const sent = request({ socketPath, path: '/operator/v1/events', headers, agent: false }).end();
  const [stream] = (await once(sent, 'response')) as [IncomingMessage];
  return stream;
}

/** Reads a stream until it has said `word`. */
async function readUntil(stream: IncomingMessage, word: string): Promise<string> {
  let seen = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    seen += chunk.toString();
    if (seen.includes(word)) return seen;
  }
  assert.fail(`the stream ended without ${word}: ${seen}`);
}

test('a reset needs a reason that can be entered: printable, bounded, and not the words of a kill switch, in a small JSON body [D-51] [C-35]', () =>
  onBed(async (bed) => {
    const { url } = await bed.start();
    const { session_id } = await openedSession(bed, url);
    const reset = path(session_id, '/reset');
    for (const reason of ['', 'line\nbreak', 'naïve', 7, null, 'x'.repeat(501), 'kill_switch_triggered']) {
      const answer = await bed.operator('POST', reset, { reason });
      assert.deepEqual([answer.status, answer.body.error_code], [400, 'INVALID_PARAMS'], JSON.stringify(reason));
    }
    assert.equal((await bed.operator('POST', reset, ['reason'])).status, 400);
    const nothing = await bed.operator('POST', reset);
    assert.deepEqual([nothing.status, nothing.body.error_code], [400, 'INVALID_PARAMS']);
    const large = await bed.operator('POST', reset, { reason: 'x', more: 'x'.repeat(20_000) });
    assert.deepEqual([large.status, large.body.error_code], [413, 'BODY_TOO_LARGE']);
    assert.equal((await bed.operator('POST', reset, { reason: 'x'.repeat(500) })).status, 200);
  }));

test('what is not there is 404, what is not offered 404 or 405, and the chain of the gateway is not for closing', () =>
  onBed(async (bed) => {
    const { started, url } = await bed.start();
    const { session_id } = await openedSession(bed, url);
    const expected: [string, string, number, string][] = [
      ['GET', path(SOME), 404, 'SESSION_UNKNOWN'],
      ['POST', path(SOME, '/close'), 404, 'SESSION_UNKNOWN'],
      ['POST', path(SOME, '/reset'), 404, 'SESSION_UNKNOWN'],
      ['GET', path(SOME, '/export'), 404, 'SESSION_UNKNOWN'],
      ['GET', path(SOME, `/export?disclose=${SOME}`), 404, 'SESSION_UNKNOWN'],
      ['GET', path(session_id, `/export?disclose=${SOME}`), 404, 'SESSION_UNKNOWN'],
      ['POST', path(started.gatewaySession, '/close'), 404, 'SESSION_UNKNOWN'],
      ['POST', path(started.gatewaySession, '/reset'), 404, 'SESSION_UNKNOWN'],
      ['GET', path(session_id, '/close'), 405, 'METHOD_NOT_ALLOWED'],
      ['DELETE', path(session_id), 405, 'METHOD_NOT_ALLOWED'],
      ['POST', path(session_id, '/export'), 405, 'METHOD_NOT_ALLOWED'],
      ['GET', path(session_id, `?disclose=${SOME}`), 404, 'ROUTE_NOT_FOUND'],
      ['POST', path(session_id, `/close?disclose=${SOME}`), 404, 'ROUTE_NOT_FOUND'],
      ['GET', path('not-a-session'), 404, 'ROUTE_NOT_FOUND'],
      ['GET', path(session_id, '/other'), 404, 'ROUTE_NOT_FOUND'],
      ['POST', '/operator/v1/sessions', 405, 'METHOD_NOT_ALLOWED'],
      ['GET', '/mcp', 404, 'ROUTE_NOT_FOUND'],
    ];
    for (const [method, route, status, code] of expected) {
      const answer = await bed.operator(method, route, method === 'POST' ? { reason: 'test' } : undefined);
      assert.deepEqual([answer.status, answer.body.error_code], [status, code], `${method} ${route}`);
    }
    assert.deepEqual((await bed.operator('GET', path(session_id))).body.state, 'open');
  }));

test('what a request says is held to what its route takes, and the refusal says what would do', () =>
  onBed(async (bed) => {
    await bed.start();
    const wrong: [string, string, unknown, RegExp][] = [
      ['GET', path(SOME, '/export?other=1'), undefined, /in the query: unknown member "other"; known: disclose/],
      ['GET', path(SOME, '/export?disclose=x'), undefined, /in the query: "disclose" must match/],
      ['GET', path(SOME, `/export?disclose=${SOME}&disclose=${SOME}`), undefined, /"disclose" is in the query twice/],
      ['POST', path(SOME, '/reset'), { reason: 'x', other: 1 }, /unknown member "other"; known: reason/],
      ['POST', path(SOME, '/reset'), {}, /"reason" must be there \(Why, for the entry: printable ASCII/],
      ['POST', path(SOME, '/reset'), { reason: ['x'] }, /"reason" must be string/],
      ['POST', '/operator/v1/policy/shadow/stop', { reason: 'x' }, /takes no body/],
      ['POST', '/operator/v1/policy/activate', { bundle_hash: 'latest' }, /"bundle_hash" must match .*null: whatever/],
    ];
    for (const [method, route, body, detail] of wrong) {
      const answer = await bed.operator(method, route, body);
      assert.deepEqual([answer.status, answer.body.error_code], [400, 'INVALID_PARAMS'], route);
      assert.match(String(answer.body.detail), detail);
    }
    assert.equal((await bed.operator('POST', '/operator/v1/policy/shadow/stop', {})).status, 200);
    const token = OPERATOR_TOKEN;
    const broken = await askOperator(socketOf(bed), { method: 'POST', route: 'policy/activate', body: '{', token });
    assert.deepEqual([broken.status, broken.body.error_code], [400, 'PARSE_ERROR']);
    const none = await askOperator(socketOf(bed), { method: 'DELETE', route: 'policy/shadow', token });
    assert.deepEqual([none.status, none.headers.allow], [405, 'GET, POST']);
  }));

test('every action of an operator is in the chain of the gateway, by name, before it takes effect [AUTHZ-13]', () =>
  onBed(async (bed) => {
    const { gateway, started, url } = await bed.start();
    const { session_id, call_id } = await openedSession(bed, url);
    await bed.operator('GET', path(session_id));
    await bed.operator('GET', path(session_id, '/export'));
    await bed.operator('GET', path(session_id, `/export?disclose=${call_id}`));
    await bed.operator('POST', path(session_id, '/reset'), { reason: 'new case' });
    await bed.operator('POST', path(session_id, '/close'));
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const actions = bundle.entries.filter((entry) => entry.action?.startsWith('operator.'));
    assert.deepEqual(
      actions.map((entry) => [entry.action, entry.caller, entry.caller_source, entry.detail]),
      [
        ['operator.export', 'op', 'bearer', { session_id }],
        ['operator.disclose', 'op', 'bearer', { session_id, call_id }],
        ['operator.reset', 'op', 'bearer', { session_id, subject: 'agent', reason: 'new case' }],
        ['operator.close', 'op', 'bearer', { session_id }],
      ],
    );
  }));

test("an agent's attempt is entered with the route that it tried, not with what it put into the path [D-51]", () =>
  onBed(async (bed) => {
    const { gateway, started } = await bed.start();
    await bed.operator('POST', '/operator/v1/sessions/"><script>', undefined, 'agent-token-of-the-tests');
    await bed.operator('GET', '/elsewhere?q=secret', undefined, 'agent-token-of-the-tests');
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const refused = bundle.entries.filter((entry) => entry.action === 'operator.refused');
    assert.deepEqual(
      refused.map((entry) => entry.detail),
      [
        { subject: 'agent', method: 'POST', route: '/operator/v1/sessions' },
        { subject: 'agent', method: 'GET', route: 'other' },
      ],
    );
  }));

test('operators can follow what happens: refusals and actions by name, never a payload', () =>
  onBed(async (bed) => {
    const { url } = await bed.start();
    const stream = await events(bed);
    const client = await bed.client(url);
    await client.callTool({ name: 'nothing', arguments: { secret: 'in the payload' } }).catch(() => undefined);
    await bed.operator('GET', path(SOME, '/export'));
    await bed.operator('POST', path(SOME, '/close'));
    const seen = await readUntil(stream, 'operator.close');
    const told = [...seen.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1] ?? '') as { event: string });
    assert.deepEqual(
      told.map((each) => each.event),
      ['TOOL_NOT_IN_CATALOG', 'operator.close'],
    );
    assert.equal(seen.includes('in the payload'), false);
  }));

test('the socket is for the owner alone; a stale one is replaced', () =>
  onBed(async (bed) => {
    const socket = join(bed.dataDir, 'operator.sock');
    const { gateway, started } = await bed.start();
    assert.equal(started.operatorSocket, socket);
    const mode = (await stat(socket)).mode & 0o777;
    assert.equal(mode, 0o600);
    assert.equal((await stat(bed.dataDir)).mode & 0o777, 0o700);
    await gateway.stop();
    assert.equal(existsSync(socket), false, 'taken away when the gateway stops');
    await leaveStaleSocket(socket);
    await bed.start();
    assert.equal((await bed.operator('GET', '/operator/v1/readyz')).status, 200);
  }));

/** A socket file whose listener is gone, as a killed process leaves it. */
async function leaveStaleSocket(socket: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
  const { spawn } = await import('node:child_process');
  await once(spawn(process.execPath, ['--eval', script]), 'exit');
  assert.ok(existsSync(socket));
}

test('a socket that another process serves, or a path that is no socket, is left alone, and nothing starts', () =>
  onBed(async (bed) => {
    const file = join(bed.folder, 'notes.txt');
    await writeFile(file, 'not a socket');
    await bed.writeConfig(`operator: { socket: ${file} }`);
    await assert.rejects(bed.start(), { code: 'LISTEN_FAILED' });
    assert.equal(await readFile(file, 'utf8'), 'not a socket');
    const taken = join(bed.folder, 'taken.sock');
    const other = createServer((socket) => socket.end()).listen(taken);
    await once(other, 'listening');
    await bed.writeConfig(`operator: { socket: ${taken} }`);
    await assert.rejects(bed.start(), { code: 'LISTEN_FAILED' });
    assert.ok(existsSync(taken), 'it still serves');
    other.close();
    await once(other, 'close');
    await bed.start();
  }));

test('a gateway that is stopping says that it is not ready', () =>
  onBed(async (bed) => {
    const { gateway, url } = await bed.start();
    const client = await bed.client(url);
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Record<string, unknown>>();
    bed.server.answer = () => {
      reached.resolve();
      return answer.promise;
    };
    const inFlight = client.callTool({ name: 'echo', arguments: {} });
    await reached.promise;
    const stopping = gateway.stop();
    assert.equal((await bed.operator('GET', '/operator/v1/readyz')).status, 503);
    answer.resolve(text('done'));
    assert.ok(await inFlight);
    await stopping;
  }));

test('what nobody foresaw is 500 without internals, and operators who listen are told', () =>
  onBed(async (bed) => {
    const log = new GatedLog();
    await bed.start({ openLog: log.openLog });
    const stream = await events(bed);
    log.failNext('sessions', new Error('internals'));
    const answer = await bed.operator('GET', '/operator/v1/sessions');
    assert.deepEqual([answer.status, answer.body.error_code, answer.body.detail], [500, 'INTERNAL_ERROR', '']);
    assert.match(await readUntil(stream, 'operator.error'), /operator\.error.*internals/);
    assert.equal((await bed.operator('GET', '/operator/v1/sessions')).status, 200);
  }));
