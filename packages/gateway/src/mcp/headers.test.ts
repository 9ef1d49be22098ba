import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { decodeHeaderValue, encodeHeaderValue, parameterHeaders, parameterHeaderValues } from './headers.ts';

const json = (text: string): JsonObject => parseJson(text) as JsonObject;
const schemaOf = (properties: string, rest = ''): JsonObject =>
  json(`{"type":"object","properties":${properties}${rest}}`);
const refusal = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;

test('values are encoded as the examples of the specification say [MCP26-11]', () => {
  for (const [value, encoded] of [
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
    ['', '=?base64??='],
  ] as const) {
    assert.equal(encodeHeaderValue(value), encoded);
    assert.equal(decodeHeaderValue(encoded), value);
  }
});

test('any text survives a header, and no header value holds CR, LF or NUL [MCP26-11] [ATK-16]', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (value) => {
      const encoded = encodeHeaderValue(value);
      assert.match(encoded, /^[\t -~]+$/);
      assert.equal(decodeHeaderValue(encoded), value);
    }),
  );
});

test('a broken sentinel or an illegal character is no value [MCP26-11]', () => {
  for (const value of [
    '=?base64?=',
    '=?base64?SGVsbG8?=',
    '=?base64?SGVsbG9=?=',
    '=?base64?SGVs bG8=?=',
    '=?base64?_-8=?=',
    '=?base64?/w==?=',
    'caf\u00e9',
    'a\r\nb',
    'a\0b',
  ]) {
    assert.equal(decodeHeaderValue(value), null, value);
  }
  // Markers are case-sensitive: this is plain text.
  assert.equal(decodeHeaderValue('=?BASE64?SGVsbG8=?='), '=?BASE64?SGVsbG8=?=');
});

test('decoding any text gives a text or null and never throws', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((payload) => `=?base64?${payload}?=`),
  );
  fc.assert(fc.property(anything, (value) => ['string', 'object'].includes(typeof decodeHeaderValue(value))));
});

test('annotated parameters are found along chains of properties [MCP26-33]', () => {
  const schema = schemaOf(
    '{"region":{"type":"string","x-mcp-header":"Region"},"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},"plain":{"type":"number"}}',
  );
  assert.deepEqual(parameterHeaders(schema), [
    { header: 'Mcp-Param-Region', path: ['region'], type: 'string' },
    { header: 'Mcp-Param-N', path: ['deep', 'n'], type: 'integer' },
  ]);
});

test('a property that is only called x-mcp-header, or data that holds the word, is no annotation [MCP26-33]', () => {
  assert.deepEqual(parameterHeaders(schemaOf('{"x-mcp-header":{"type":"string"}}')), []);
  assert.deepEqual(parameterHeaders(schemaOf('{"a":{"default":{"x-mcp-header":"A"}}}')), []);
});

test('each rule for annotations is enforced [MCP26-33] [ATK-16]', () => {
  const annotated = (name: string, type = '"string"') => `{"type":${type},"x-mcp-header":${name}}`;
  for (const schema of [
    schemaOf(`{"a":${annotated('""')}}`),
    schemaOf(`{"a":${annotated('"A B"')}}`),
    schemaOf(`{"a":${annotated('"A\\r\\nX: y"')}}`),
    schemaOf(`{"a":${annotated('7')}}`),
    schemaOf(`{"a":${annotated('"A"', '"number"')}}`),
    schemaOf(`{"a":${annotated('"A"', '["string","null"]')}}`),
    schemaOf(`{"a":{"x-mcp-header":"A"}}`),
    schemaOf(`{"a":${annotated('"A"')},"b":${annotated('"a"')}}`),
    schemaOf(`{"a":{"type":"array","items":${annotated('"A"')}}}`),
    schemaOf('{}', `,"anyOf":[{"properties":{"a":${annotated('"A"')}}}]`),
    schemaOf('{}', `,"$defs":{"a":${annotated('"A"')}}`),
    schemaOf('{}', `,"if":{"properties":{"a":${annotated('"A"')}}}`),
    schemaOf('{}', `,"x-unknown":{"properties":{"a":${annotated('"A"')}}}`),
    schemaOf('{}', ',"x-mcp-header":"Root"'),
  ]) {
    assert.throws(() => parameterHeaders(schema), refusal('CATALOG_INVALID'), JSON.stringify(schema));
  }
});

test('headers are built from the arguments at their exact paths; null and absent give none [MCP26-12] [MCP26-13]', () => {
  const schema = schemaOf(
    '{"s":{"type":"string","x-mcp-header":"S"},"b":{"type":"boolean","x-mcp-header":"B"},"n":{"type":"object","properties":{"i":{"type":"integer","x-mcp-header":"I"}}},"z":{"type":"string","x-mcp-header":"Z"}}',
  );
  const built = (args: string) => parameterHeaderValues(schema, json(args));
  assert.deepEqual(built('{"s":"x\\r\\nEvil: 1","b":false,"n":{"i":-7},"z":null,"i":9}'), [
    ['Mcp-Param-S', '=?base64?eA0KRXZpbDogMQ==?='],
    ['Mcp-Param-B', 'false'],
    ['Mcp-Param-I', '-7'],
  ]);
  assert.deepEqual(built('{"n":{"i":42.0}}'), [['Mcp-Param-I', '42']]);
  assert.deepEqual(built('{"n":"i"}'), []);
});

test('an argument that no header can carry exactly refuses the call instead of being left out [MCP26-12]', () => {
  const schema = schemaOf('{"i":{"type":"integer","x-mcp-header":"I"}}');
  for (const value of ['9007199254740993', '9007199254740991.4', '1.5', '1e300', '{}', '[1]']) {
    assert.throws(() => parameterHeaderValues(schema, json(`{"i":${value}}`)), refusal('ARGUMENTS_REFUSED'), value);
  }
});
