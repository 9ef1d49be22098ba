import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { UpstreamRpcError } from '../upstream/types.ts';
import { checkShape, completeResult, readResult } from './server-results.ts';

const json = (text: string): JsonObject => parseJson(text) as JsonObject;
const badAnswer = (error: unknown) => error instanceof GatewayError && error.code === 'UPSTREAM_PROTOCOL_ERROR';

test('resultType: absent and complete pass and leave no trace, everything else is something else [MCP26-18]', () => {
  assert.deepEqual(completeResult(json('{"content":[]}')), { content: [] });
  assert.deepEqual(completeResult(json('{"resultType":"complete","content":[]}')), { content: [] });
  for (const type of ['"input_required"', '"new"', 'null', '1']) {
    assert.equal(completeResult(json(`{"resultType":${type},"content":[]}`)), null);
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
    assert.throws(() => checkShape('tools/call', json(text)), badAnswer, text);
  }
  for (const text of [
    '{"content":[]}',
    '{"structuredContent":[1.0]}',
    '{"content":[{"type":"image","data":"AA=="},{"type":"new-kind","n":1.50}],"isError":true,"_meta":{"a/b":-0}}',
  ]) {
    checkShape('tools/call', json(text));
  }
});

test('what is read, got or completed has the shape of its method, or is no success [LIFE-05] [MCP26-38]', () => {
  const good: Record<string, string[]> = {
    'resources/read': [
      '{"contents":[{"uri":"a:b","text":""}]}',
      '{"contents":[{"uri":"a:b","blob":"AA==","mimeType":"x/y","_meta":{}},{"uri":"a:c","text":"t","more":1.0}]}',
    ],
    'prompts/get': [
      '{"messages":[]}',
      '{"description":"d","messages":[{"role":"user","content":{"type":"text","text":"t"}},{"role":"assistant","content":{"type":"new"}}]}',
    ],
    'completion/complete': [
      '{"completion":{"values":[]}}',
      '{"completion":{"values":["a"],"total":3,"hasMore":true,"more":1}}',
    ],
    'resources/subscribe': ['{}'],
  };
  const bad: Record<string, string[]> = {
    'resources/read': [
      '{}',
      '{"contents":[]}',
      '{"contents":{}}',
      '{"contents":[1]}',
      '{"contents":[{"text":"no uri"}]}',
      '{"contents":[{"uri":1,"text":"t"}]}',
      '{"contents":[{"uri":"a:b"}]}',
      '{"contents":[{"uri":"a:b","text":1}]}',
      '{"contents":[{"uri":"a:b","text":"t"},null]}',
      '{"contents":[{"uri":"a:b","text":"t"}],"_meta":1}',
    ],
    'prompts/get': [
      '{}',
      '{"messages":{}}',
      '{"messages":[1]}',
      '{"messages":[{"role":"system","content":{"type":"text"}}]}',
      '{"messages":[{"role":"user"}]}',
      '{"messages":[{"role":"user","content":"text"}]}',
      '{"messages":[{"role":"user","content":[{"type":"text"}]}]}',
    ],
    'completion/complete': [
      '{}',
      '{"completion":[]}',
      '{"completion":{}}',
      '{"completion":{"values":"a"}}',
      '{"completion":{"values":[1]}}',
      '{"completion":{"values":[],"total":"3"}}',
      '{"completion":{"values":[],"total":1.5}}',
      '{"completion":{"values":[],"hasMore":1}}',
      `{"completion":{"values":${JSON.stringify(Array.from({ length: 101 }, String))}}}`,
    ],
    'resources/subscribe': ['{"_meta":[]}'],
  };
  for (const [method, texts] of Object.entries(good)) for (const text of texts) checkShape(method, json(text));
  for (const [method, texts] of Object.entries(bad)) {
    for (const text of texts) assert.throws(() => checkShape(method, json(text)), badAnswer, text);
  }
});
