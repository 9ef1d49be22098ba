import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { classify, errorMessage, type RpcMessage } from './jsonrpc.ts';

const read = (text: string): RpcMessage => classify(parseJson(text));

test('an id is a string or a safe integer and keeps its type; anything else is no id [MCP26-16] [G7] [ATK-20]', () => {
  for (const id of ['1', '"1"', '""', '-7', '0', '9007199254740991']) {
    const message = read(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`);
    assert.equal(message.kind, 'request');
    assert.deepEqual(message.kind === 'request' && JSON.stringify(message.id), id);
  }
  for (const id of ['null', '1.5', '1.0', '-0', '1e3', '9007199254740992', '{}', '[]', 'true']) {
    assert.deepEqual(read(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`), { kind: 'malformed', id: null }, id);
  }
});

test('a message of the wrong shape is malformed, with its id where that can be read [D-05] [MCP26-04] [ATK-19]', () => {
  const bad = ['1', 'null', '"x"', '[]', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', '{}'];
  for (const text of bad) assert.deepEqual(read(text), { kind: 'malformed', id: null }, text);
  const rest = [
    '"method":"ping"',
    '"jsonrpc":"1.0","method":"ping"',
    '"jsonrpc":2.0,"method":"ping"',
    '"jsonrpc":"2.0"',
    '"jsonrpc":"2.0","method":1',
    '"jsonrpc":"2.0","method":null',
    '"jsonrpc":"2.0","method":"ping","params":null',
    '"jsonrpc":"2.0","method":"ping","params":[]',
    '"jsonrpc":"2.0","method":"ping","params":"x"',
    '"jsonrpc":"2.0","method":"ping","result":{}',
    '"jsonrpc":"2.0","result":{},"error":{}',
  ];
  for (const text of rest) assert.deepEqual(read(`{"id":7,${text}}`), { kind: 'malformed', id: 7 }, text);
});

test('requests, notifications and responses are told apart', () => {
  assert.equal(read('{"jsonrpc":"2.0","method":"notifications/initialized"}').kind, 'notification');
  assert.equal(read('{"jsonrpc":"2.0","id":1,"result":{}}').kind, 'response');
  assert.equal(read('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}').kind, 'response');
  assert.deepEqual(read('{"jsonrpc":"2.0","id":1,"method":"x"}'), { kind: 'request', id: 1, method: 'x', params: {} });
});

test('members that a prototype provides are not members of a message [G6] [ATK-12]', () => {
  assert.equal(read('{"__proto__":{"jsonrpc":"2.0","method":"ping","id":1}}').kind, 'malformed');
  const message = read('{"jsonrpc":"2.0","id":1,"method":"x","params":{"__proto__":{"name":"y"}}}');
  assert.equal(message.kind === 'request' && message.params.name, undefined);
});

test('any JSON value is classified without an exception [D-05]', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.ok(['request', 'notification', 'response', 'malformed'].includes(read(text).kind));
    }),
  );
});

test('an error about an unreadable message carries no id [MCP26-16]', () => {
  assert.equal('id' in errorMessage(null, -32600, 'x', {}), false);
  assert.equal(errorMessage('', -32600, 'x', {}).id, '');
});
