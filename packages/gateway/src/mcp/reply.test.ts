import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '@cmcp/evidence';
import { FakeGovernedGateway } from '../../../../tests/support/fake-governed.ts';
import { ERRORS, type ErrorCode, GatewayError } from '../errors.ts';
import { handshakeStyle } from './handshake/error-style.ts';
import { modernStyle } from './modern/error-style.ts';
import { Replies, registryStyle } from './reply.ts';

const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => ERRORS[code].status !== 0);
const STANDARD = [-32700, -32600, -32601, -32602, -32603];

test('every code that can be emitted is one that its revision allows [MCP26-19]', () => {
  for (const code of codes) {
    const modern = modernStyle.rpc(code);
    const reserved = modern >= -32768 && modern <= -32000;
    assert.ok(!reserved || [...STANDARD, -32020, -32021, -32022].includes(modern), `${code} ${modern}`);
    assert.ok([...STANDARD, -32000, -32002].includes(handshakeStyle.rpc(code)), code);
  }
});

test('what a server answers with is passed on under codes that the revision of the client has [MCP26-19]', () => {
  const table: [number, number | null, number | null][] = [
    // rpc, 2026-07-28, handshake
    [-32602, -32602, -32602],
    [-32603, -32603, -32603],
    [-32000, -32000, -32000],
    [-32001, -32001, -32001],
    [-32002, -32602, -32002],
    [-32019, -32019, -32019],
    [-32020, null, null],
    [-32021, -32021, null],
    [-32022, null, null],
    [-32042, null, null],
    [-32050, null, -32050],
    [-32500, null, -32500],
    [-32768, null, -32768],
    [-40000, -40000, -40000],
    [1, 1, 1],
  ];
  for (const [rpc, modern, handshake] of table) {
    assert.equal(modernStyle.passOn(rpc), modern, `2026-07-28 ${rpc}`);
    assert.equal(handshakeStyle.passOn(rpc), handshake, `handshake ${rpc}`);
  }
});

test('a missing capability that a server names reaches a client with its status, one that it does not name does not [MCP26-15]', () => {
  const replies = new Replies(new FakeGovernedGateway(), modernStyle, () => {});
  const failed = (data: JsonObject) => {
    const outcome = { kind: 'error', code: 'UPSTREAM_TOOL_ERROR', message: 'm', data, rpc: -32021 } as const;
    const { status, body } = replies.failed(1, outcome);
    return [status, parseJson(JSON.stringify(body))];
  };
  const error = (code: number, data: JsonObject) => ({ jsonrpc: '2.0', id: 1, error: { code, message: 'm', data } });
  const named = { requiredCapabilities: { sampling: {} } };
  assert.deepEqual(failed(named), [400, error(-32021, named)]);
  for (const data of [{}, { requiredCapabilities: null }, { requiredCapabilities: 'sampling' }]) {
    assert.deepEqual(failed(data), [200, error(ERRORS.UPSTREAM_TOOL_ERROR.rpc, data)]);
  }
});

test('an error without an id never looks like a success', () => {
  const replies = new Replies(new FakeGovernedGateway(), registryStyle, () => {});
  for (const code of codes) assert.ok(replies.refuse(null, code).status >= 400, code);
  assert.equal(replies.thrown(1, new GatewayError('SHUTTING_DOWN', '')).status, 200);
});

test('what a GatewayError says for operators never reaches an agent', () => {
  const replies = new Replies(new FakeGovernedGateway(), registryStyle, () => {});
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { body } = replies.thrown(1, new GatewayError(code, 'canary-4711'));
    assert.equal(JSON.stringify(body).includes('canary'), false);
  }
});
