import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, inSession, MODERN, modern, open, type Sent, send, serve } from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';

const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };
const LIST = { jsonrpc: '2.0', id: 2, method: 'tools/list' };

test('each refusal of the listener names its code, with its status, and reaches no handler [G1] [G2]', async (t) => {
  const { port, gateway } = await serve(t, { clock: new ManualTime(), limits: { bodyBytes: 1000, depth: 8 } });
  const table: [Sent, number, string][] = [
    [{ body: PING, headers: { Host: 'evil.example' } }, 403, 'HOST_REFUSED'],
    [{ body: PING, headers: { Origin: 'null' } }, 403, 'ORIGIN_REFUSED'],
    [{ body: PING, path: '/other' }, 404, 'ROUTE_NOT_FOUND'],
    [{ body: PING, credential: null }, 401, 'UNAUTHENTICATED'],
    [{ body: PING, path: '/mcp?a=b' }, 400, 'INVALID_REQUEST'],
    [{ method: 'PUT' }, 405, 'METHOD_NOT_ALLOWED'],
    [{ method: 'GET' }, 405, 'METHOD_NOT_ALLOWED'],
    [{ body: 'x', headers: { 'Content-Type': 'text/plain' } }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [{ body: PING, headers: { Accept: 'text/html' } }, 406, 'NOT_ACCEPTABLE'],
    [{ body: ' '.repeat(1001) }, 413, 'BODY_TOO_LARGE'],
    [{ body: '{' }, 400, 'PARSE_ERROR'],
    [{ body: [] }, 400, 'INVALID_REQUEST'],
    [{ body: LIST }, 400, 'SESSION_REQUIRED'],
    [inSession('unknown', LIST), 404, 'SESSION_NOT_FOUND'],
    [{ body: LIST, headers: { 'MCP-Protocol-Version': MODERN } }, 400, 'INVALID_PARAMS'],
    [modern('tools/list', {}, { headers: { 'Mcp-Method': 'ping' } }), 400, 'HEADER_MISMATCH'],
  ];
  for (const [sent, status, code] of table) {
    const answer = await send(port, sent);
    assert.deepEqual([answer.status, errorOf(answer).data.error_code], [status, code]);
  }
  assert.equal(gateway.calls.length + gateway.opened.length + gateway.refused.length, 0);
});

test('who failed too often is told so by name [AUTHZ-14]', async (t) => {
  const { port } = await serve(t, { clock: new ManualTime() });
  const codes: unknown[] = [];
  for (let i = 0; i < 21; i++)
    codes.push(errorOf(await send(port, { body: PING, credential: 'Bearer x' })).data.error_code);
  assert.deepEqual([...new Set(codes)], ['UNAUTHENTICATED', 'RATE_LIMITED']);
  assert.equal(codes.indexOf('RATE_LIMITED'), 20);
});

test('what the gateway does not govern is refused by the same name in both families [MCP26-44]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  for (const sent of [modern('tasks/list'), inSession(session, { jsonrpc: '2.0', id: 1, method: 'tasks/list' })]) {
    assert.equal(errorOf(await send(port, sent)).data.error_code, 'METHOD_NOT_GOVERNED');
  }
  assert.equal(gateway.refused.length, 2);
});
