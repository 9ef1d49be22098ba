import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { UpstreamRpcError } from '../upstream/types.ts';
import type { standingOffer } from './ask-offer.ts';
import { NO_ABILITIES } from './asks.ts';
import { OWN_TERMS, parseServerBytes, type RequestTerms, readServerMessage } from './client.ts';
import { initializeParams, openingDialect, readInitialize } from './handshake/client.ts';
import { modernDialect, readDiscovery, readDiscoveryError } from './modern/client.ts';

const json = (text: string): JsonObject => parseJson(text) as JsonObject;
const coded = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;
const badAnswer = coded('UPSTREAM_PROTOCOL_ERROR');

test('only a response under a string id can be an answer to us [MCP26-17]', () => {
  const kind = (text: string) => readServerMessage(parseJson(text)).kind;
  assert.equal(kind('{"jsonrpc":"2.0","id":"a","result":{}}'), 'response');
  for (const id of ['1', '1.0', 'null', '{}', '["a"]'])
    assert.equal(kind(`{"jsonrpc":"2.0","id":${id},"result":{}}`), 'other');
  assert.equal(kind('[{"jsonrpc":"2.0","id":"a","result":{}}]'), 'other');
  assert.equal(kind('{"jsonrpc":"2.0","id":"a","method":"ping","result":{}}'), 'request');
  assert.equal(kind('{"jsonrpc":"2.0","method":"notifications/x"}'), 'notification');
  assert.equal(kind('{"jsonrpc":"2.0","id":7.0,"method":"ping"}'), 'request');
  for (const id of ['null', '{}', '[1]', 'true']) {
    assert.equal(kind(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`), 'other');
  }
});

test('a duplicate key or broken UTF-8 in an answer is refused [D-52]', () => {
  assert.throws(() => parseServerBytes(Buffer.from('{"a":1,"\\u0061":2}'), 100), badAnswer);
  assert.throws(() => parseServerBytes(Buffer.from([0x22, 0xff, 0x22]), 100), coded('RESPONSE_ENCODING_INVALID'));
  assert.throws(() => parseServerBytes(Buffer.from('"12345"'), 6), coded('RESPONSE_SIZE_EXCEEDED'));
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
  assert.ok(readDiscoveryError(unsupported(['2026-07-28']), known));
  assert.throws(() => readDiscoveryError(unsupported(['2099-01-01']), known), badAnswer);
  for (const version of ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']) {
    const dialect = readInitialize({ protocolVersion: version, capabilities: {} });
    assert.deepEqual(dialect.headers('tools/call', {}, null), [['mcp-protocol-version', version]]);
  }
  assert.throws(() => readInitialize({ protocolVersion: '2026-07-28', capabilities: {} }), badAnswer);
});

test('a modern request carries its metadata and headers made from the message itself [MCP26-13] [ATK-16]', () => {
  const dialect = modernDialect();
  const given = { name: 'run\r\nX: y', arguments: { region: 'eu' }, _meta: { 'agent/own': 1 } };
  const params = dialect.params(given, OWN_TERMS);
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

const ROUND: RequestTerms = {
  trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
  offer: { ...NO_ABILITIES, elicitForm: true, tasks: true },
  progressToken: 'call-1',
  logLevel: 'warning',
  round: { responses: { who: { action: 'accept' } }, state: ' {"s":1} ' },
};

test('each family has its own place for what a request carries beside its params [MCP26-28] [MCP26-42]', () => {
  const { _meta, ...params } = modernDialect().params({ name: 't' }, ROUND);
  assert.deepEqual(params, { name: 't', inputResponses: { who: { action: 'accept' } }, requestState: ' {"s":1} ' });
  const { 'io.modelcontextprotocol/clientInfo': _, ...meta } = _meta as JsonObject;
  assert.deepEqual(meta, {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {
      elicitation: { form: {} },
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    },
    progressToken: 'call-1',
    'io.modelcontextprotocol/logLevel': 'warning',
  });
  const stateless = modernDialect().params({ name: 't' }, { ...ROUND, round: { responses: {}, state: null } });
  assert.deepEqual(Object.keys(stateless), ['name', '_meta']);

  const handshake = openingDialect();
  assert.deepEqual(handshake.params({ name: 't' }, OWN_TERMS), { name: 't' });
  assert.deepEqual(handshake.params({ name: 't' }, { ...ROUND, round: null }), {
    name: 't',
    _meta: { ...ROUND.trace, progressToken: 'call-1' },
  });
  // It has no way to send a request again with what was asked for.
  assert.throws(() => handshake.params({ name: 't' }, ROUND), coded('UPSTREAM_UNAVAILABLE'));
});

test('a server of a session is offered exactly what the catalog lets it ask [MCP25-11] [MCP25-12]', () => {
  const offered = (...asks: Parameters<typeof standingOffer>[0]) => initializeParams(asks).capabilities;
  assert.deepEqual(offered(), {});
  assert.deepEqual(offered('elicit'), { elicitation: { form: {}, url: {} } });
  assert.deepEqual(offered('sample'), { sampling: { tools: {}, context: {} } });
  assert.deepEqual(offered('list_roots'), { roots: {} });
});

test('tasks are named in a header of their own [MCP26-10]', () => {
  const fields = modernDialect().headers('tasks/get', { taskId: 'tásk' }, null);
  assert.deepEqual(fields.slice(1), [
    ['mcp-method', 'tasks/get'],
    ['mcp-name', '=?base64?dMOhc2s=?='],
  ]);
});

test('any bytes from a server are a message or refused with a GatewayError', () => {
  const jsonish = fc.json().map((text) => Buffer.from(text));
  const bytes = fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.oneof(jsonish, bytes), (input) => {
      try {
        readServerMessage(parseServerBytes(input, 1000));
      } catch (error) {
        assert.ok(error instanceof GatewayError);
      }
    }),
  );
});
