import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isObject, type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { UpstreamRpcError } from '../upstream/types.ts';
import { checkToolResult, parseServerBytes, readResult, readServerMessage, readToolPage } from './client.ts';
import { readInitialize } from './handshake/client.ts';
import { modernDialect, readDiscovery, readDiscoveryError } from './modern/client.ts';

const json = (text: string): JsonObject => parseJson(text) as JsonObject;
const coded = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;
const badAnswer = coded('UPSTREAM_PROTOCOL_ERROR');

test('resultType: absent and complete pass and leave no trace, everything else is an error [MCP26-18]', () => {
  const result = (text: string) => readResult(json(`{"jsonrpc":"2.0","id":"a","result":${text}}`));
  assert.deepEqual(result('{"content":[]}'), { content: [] });
  assert.deepEqual(result('{"resultType":"complete","content":[]}'), { content: [] });
  for (const type of ['"input_required"', '"new"', 'null', '1']) {
    assert.throws(() => result(`{"resultType":${type},"content":[]}`), badAnswer);
  }
});

test('a response needs version 2.0 and exactly one of result and error [LIFE-05]', () => {
  for (const text of [
    '{"id":"a","result":{}}',
    '{"jsonrpc":"1.0","id":"a","result":{}}',
    '{"jsonrpc":"2.0","id":"a"}',
    '{"jsonrpc":"2.0","id":"a","result":{},"error":{"code":1,"message":"m"}}',
    '{"jsonrpc":"2.0","id":"a","result":[]}',
    '{"jsonrpc":"2.0","id":"a","result":null}',
    '{"jsonrpc":"2.0","id":"a","error":"no"}',
    '{"jsonrpc":"2.0","id":"a","error":{"code":"1","message":"m"}}',
    '{"jsonrpc":"2.0","id":"a","error":{"code":1.5,"message":"m"}}',
  ]) {
    assert.throws(() => readResult(json(text)), badAnswer, text);
  }
});

test("a server's error is passed on with its code, message and data", () => {
  const error = { code: -32602, message: 'wrong', data: { why: 'x' } };
  assert.throws(
    () => readResult({ jsonrpc: '2.0', id: 'a', error }),
    (thrown: unknown) => {
      assert.ok(thrown instanceof GatewayError && thrown.cause instanceof UpstreamRpcError);
      assert.equal(thrown.code, 'UPSTREAM_TOOL_ERROR');
      assert.deepEqual(
        [thrown.cause.rpcCode, thrown.cause.message, thrown.cause.data],
        [-32602, 'wrong', { why: 'x' }],
      );
      return true;
    },
  );
});

test('a tool result without content is no success, and content of every kind passes unaltered [LIFE-05]', () => {
  for (const text of [
    '{}',
    '{"content":null}',
    '{"content":"text"}',
    '{"content":["text"]}',
    '{"content":[{"text":"no type"}]}',
    '{"content":[],"isError":"yes"}',
    '{"content":[],"_meta":[]}',
  ]) {
    assert.throws(() => checkToolResult(json(text)), badAnswer, text);
  }
  const whole =
    '{"content":[{"type":"image","data":"AA==","mimeType":"image/png"},{"type":"new-kind","n":1.50}],"structuredContent":{"n":1e2,"big":12345678901234567890},"isError":true,"_meta":{"a/b":-0}}';
  assert.equal(stringifyJson(checkToolResult(json(whole))), whole);
  assert.equal(stringifyJson(checkToolResult(json('{"structuredContent":[1.0]}'))), '{"structuredContent":[1.0]}');
});

test('only a response under a string id can be an answer to us [MCP26-17]', () => {
  const kind = (text: string) => readServerMessage(parseJson(text)).kind;
  assert.equal(kind('{"jsonrpc":"2.0","id":"a","result":{}}'), 'response');
  for (const id of ['1', '1.0', 'null', '{}', '["a"]'])
    assert.equal(kind(`{"jsonrpc":"2.0","id":${id},"result":{}}`), 'other');
  assert.equal(kind('[{"jsonrpc":"2.0","id":"a","result":{}}]'), 'other');
  assert.equal(kind('{"jsonrpc":"2.0","id":"a","method":"ping","result":{}}'), 'request');
  assert.equal(kind('{"jsonrpc":"2.0","method":"notifications/x"}'), 'notification');
});

test('any bytes from a server are read or refused with a GatewayError', () => {
  const jsonish = fc.json().map((text) => Buffer.from(text));
  const bytes = fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.oneof(jsonish, bytes), (input) => {
      try {
        const value = parseServerBytes(input, 1000);
        const message = readServerMessage(value);
        if (message.kind === 'response') readResult(message.message);
        if (isObject(value)) checkToolResult(value);
        if (isObject(value)) readToolPage(value);
      } catch (error) {
        assert.ok(error instanceof GatewayError);
      }
    }),
  );
});

test('a duplicate key or broken UTF-8 in an answer is refused [D-52]', () => {
  assert.throws(() => parseServerBytes(Buffer.from('{"a":1,"\\u0061":2}'), 100), badAnswer);
  assert.throws(() => parseServerBytes(Buffer.from([0x22, 0xff, 0x22]), 100), coded('RESPONSE_ENCODING_INVALID'));
  assert.throws(() => parseServerBytes(Buffer.from('"12345"'), 6), coded('RESPONSE_SIZE_EXCEEDED'));
});

test('an empty cursor is a cursor; a cursor that is no string is an error [MCP26-24]', () => {
  assert.deepEqual(readToolPage(json('{"tools":[],"nextCursor":""}')), { tools: [], nextCursor: '' });
  assert.deepEqual(readToolPage(json('{"tools":[]}')), { tools: [], nextCursor: null });
  assert.throws(() => readToolPage(json('{"tools":[],"nextCursor":1}')), badAnswer);
  assert.throws(() => readToolPage(json('{}')), badAnswer);
});

test('the answer to discover or initialize decides the family, whatever error code an old server uses [MCP26-41]', () => {
  const known = ['2025-11-25'];
  assert.ok(readDiscovery(json('{"supportedVersions":["2026-07-28"],"capabilities":{}}')));
  assert.equal(readDiscovery(json('{"supportedVersions":["2025-11-25"],"capabilities":{}}')), null);
  assert.equal(readDiscovery(json('{"content":[]}')), null);
  for (const code of [-32601, -32602, -32600, -32000, 1]) {
    assert.equal(readDiscoveryError(new UpstreamRpcError(code, 'no', undefined), known), null);
  }
  assert.ok(readDiscoveryError(new UpstreamRpcError(-32020, 'header', undefined), known));
  const unsupported = (supported: string[]) => new UpstreamRpcError(-32022, 'no', { supported });
  assert.equal(readDiscoveryError(unsupported(['2025-11-25']), known), null);
  assert.throws(() => readDiscoveryError(unsupported(['2099-01-01']), known), badAnswer);
  for (const version of ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']) {
    const dialect = readInitialize({ protocolVersion: version, capabilities: {} });
    assert.deepEqual(dialect.headers('tools/call', {}, null), [['mcp-protocol-version', version]]);
  }
  assert.throws(() => readInitialize({ protocolVersion: '2026-07-28', capabilities: {} }), badAnswer);
});

test('a modern request carries its metadata and headers made from the message itself [MCP26-13] [ATK-16]', () => {
  const dialect = modernDialect();
  const params = dialect.params({ name: 'run\r\nX: y', arguments: { region: 'eu' }, _meta: { 'agent/own': 1 } });
  assert.deepEqual(Object.keys(params._meta as JsonObject), [
    'io.modelcontextprotocol/protocolVersion',
    'io.modelcontextprotocol/clientInfo',
    'io.modelcontextprotocol/clientCapabilities',
  ]);
  const schema = json('{"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}');
  assert.deepEqual(dialect.headers('tools/call', params, schema), [
    ['mcp-protocol-version', '2026-07-28'],
    ['mcp-method', 'tools/call'],
    ['mcp-name', '=?base64?cnVuDQpYOiB5?='],
    ['Mcp-Param-Region', 'eu'],
  ]);
});
