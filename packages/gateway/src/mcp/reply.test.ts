import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeGovernedGateway } from '../../../../tests/support/fake-governed.ts';
import { ERRORS, type ErrorCode, GatewayError } from '../errors.ts';
import { handshakeStyle } from './handshake/error-style.ts';
import { Replies, registryStyle } from './reply.ts';

const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => ERRORS[code].status !== 0);
const STANDARD = [-32700, -32600, -32601, -32602, -32603];

test('every code that can be emitted is one that its revision allows [MCP26-19]', () => {
  for (const code of codes) {
    const modern = registryStyle.rpc(code);
    const reserved = modern >= -32768 && modern <= -32000;
    assert.ok(!reserved || [...STANDARD, -32020, -32021, -32022].includes(modern), `${code} ${modern}`);
    assert.ok([...STANDARD, -32000].includes(handshakeStyle.rpc(code)), code);
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
