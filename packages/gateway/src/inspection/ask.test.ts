import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isObject, type JsonObject } from '@cmcp/evidence';
import fc from 'fast-check';
import type { CatalogServer } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { type Ask, NO_ABILITIES } from '../mcp/asks.ts';
import { requireAbility, viewAsk } from './ask.ts';
import { checkAnswer } from './ask-answer.ts';

const server: CatalogServer = {
  id: 'bank',
  displayName: 'Bank',
  transport: { kind: 'http', url: 'https://bank.example/mcp', tlsFingerprint: null },
  identity: 'https://bank.example/mcp',
  instructions: null,
  asks: ['elicit', 'sample', 'list_roots'],
};
const refused = { name: 'GatewayError', code: 'ASK_REFUSED' };
const form = (properties: JsonObject, more: JsonObject = {}): Ask => ({
  kind: 'elicit',
  params: { message: 'Please fill in', requestedSchema: { type: 'object', properties, ...more } },
});
const url = (address: string): Ask => ({
  kind: 'elicit',
  params: { mode: 'url', message: 'Please sign in', url: address },
});
const view = (ask: Ask) => viewAsk(ask, server, 'transfer');

test('the policy sees who asks, during what, and what is asked', () => {
  assert.deepEqual(view(form({ name: { type: 'string' }, age: { type: 'integer' } })), {
    action: 'elicit',
    server,
    during: 'transfer',
    mode: 'form',
    message: 'Please fill in',
    fields: ['name', 'age'],
    host: null,
  });
  const asked = view(url('https://bank.example:8443/consent?flow=7'));
  assert.deepEqual(asked.action === 'elicit' && [asked.mode, asked.host], ['url', 'bank.example:8443']);
  const message = { role: 'user', content: { type: 'text', text: 'Hi' } };
  const messages = [message, { ...message, role: 'assistant' }];
  const sample: Ask = { kind: 'sample', params: { messages, maxTokens: 100, systemPrompt: 'be brief' } };
  assert.deepEqual(view(sample), {
    action: 'sample',
    server,
    during: 'transfer',
    maxTokens: 100,
    messages: 2,
    includeContext: 'none',
    systemPrompt: true,
    tools: false,
  });
  assert.deepEqual(view({ kind: 'list_roots', params: {} }), { action: 'list_roots', server, during: 'transfer' });
});

test('a server asks for nothing that the catalog does not let it ask', () => {
  const silent = { ...server, asks: [] };
  for (const ask of [
    form({}),
    { kind: 'sample', params: { messages: [], maxTokens: 1 } },
    { kind: 'list_roots', params: {} },
  ]) {
    assert.throws(() => viewAsk(ask as Ask, silent, 'transfer'), refused);
  }
});

test('no form asks for a secret, under whatever spelling [MCP25-12]', () => {
  const names = [
    'password',
    'Pass phrase',
    'api_key',
    'apiKey',
    'ACCESS-TOKEN',
    'clientSecret',
    'cvv',
    'pin',
    'private key',
  ];
  for (const name of names) {
    assert.throws(() => view(form({ [name]: { type: 'string' } })), refused, name);
    assert.throws(() => view(form({ field: { type: 'string', title: name } })), refused, name);
  }
  for (const name of ['name', 'shipping', 'opinion', 'keyboard', 'tokens_used'])
    view(form({ [name]: { type: 'string' } }));
});

test('a URL leads out over https only, and carries neither credentials nor secrets [MCP25-12]', () => {
  const bad = [
    'http://bank.example/',
    'https://user:pw@bank.example/',
    'https://bank.example/?access_token=x',
    'javascript:1',
    'x',
  ];
  for (const address of bad) assert.throws(() => view(url(address)), refused, address);
});

test('a malformed ask is refused', () => {
  for (const params of [
    {},
    { message: 1, requestedSchema: { type: 'object', properties: {} } },
    { message: 'x' },
    { message: 'x', requestedSchema: { type: 'string' } },
    { message: 'x', requestedSchema: { type: 'object', properties: { a: 1 } } },
    { message: 'x', mode: 'telepathy', requestedSchema: { type: 'object', properties: {} } },
  ]) {
    assert.throws(() => view({ kind: 'elicit', params }), refused);
  }
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`f${index}`, { type: 'string' }]));
  assert.throws(() => view(form(many)), refused);
  for (const params of [
    {},
    { messages: [] },
    { messages: 1, maxTokens: 1 },
    { messages: [], maxTokens: 1.5 },
    { messages: [], maxTokens: 1, includeContext: 1 },
  ]) {
    assert.throws(() => view({ kind: 'sample', params }), refused);
  }
});

test('only what the client declared is asked of it [MCP25-11] [MCP25-12] [MCP26-28]', () => {
  const all = {
    ...NO_ABILITIES,
    elicitForm: true,
    elicitUrl: true,
    sample: true,
    sampleTools: true,
    sampleContext: true,
    roots: true,
  };
  const sample = (more: JsonObject): Ask => ({ kind: 'sample', params: { messages: [], maxTokens: 1, ...more } });
  const needs: [Ask, keyof typeof all][] = [
    [form({}), 'elicitForm'],
    [url('https://bank.example/'), 'elicitUrl'],
    [sample({}), 'sample'],
    [sample({ tools: [] }), 'sampleTools'],
    [sample({ includeContext: 'thisServer' }), 'sampleContext'],
    [{ kind: 'list_roots', params: {} }, 'roots'],
  ];
  for (const [ask, ability] of needs) {
    requireAbility(view(ask), all);
    assert.throws(() => requireAbility(view(ask), { ...all, [ability]: false }), refused, ability);
  }
});

test('an answer is passed on as the protocol defines it, and nothing with it', () => {
  const ask = form(
    { name: { type: 'string' }, age: { type: 'integer' }, tags: { type: 'array' } },
    { required: ['name'] },
  );
  const content = { name: 'Ada', age: 36, tags: ['x'] };
  const given = { action: 'accept', content: { ...content, extra: 'smuggled' }, _meta: { a: 1 }, more: true };
  assert.deepEqual(checkAnswer(ask, given), { action: 'accept', content });
  assert.deepEqual(checkAnswer(ask, { action: 'decline', content }), { action: 'decline' });
  assert.deepEqual(checkAnswer(url('https://bank.example/'), { action: 'accept', content }), { action: 'accept' });
  const sample: Ask = { kind: 'sample', params: { messages: [], maxTokens: 1 } };
  const completion = { role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'm', stopReason: 'endTurn' };
  assert.deepEqual(checkAnswer(sample, { ...completion, _meta: {} }), completion);
  const listed = { roots: [{ uri: 'file:///work', name: 'Work', _meta: {} }, { uri: 'file:///home' }] };
  assert.deepEqual(checkAnswer({ kind: 'list_roots', params: {} }, listed), {
    roots: [{ uri: 'file:///work', name: 'Work' }, { uri: 'file:///home' }],
  });
});

test('an answer that does not answer is none', () => {
  const ask = form({ name: { type: 'string' }, age: { type: 'integer' } }, { required: ['name'] });
  const unanswered = { name: 'GatewayError', code: 'ASK_UNANSWERED' };
  for (const answer of [
    {},
    { action: 'maybe' },
    { action: 'maybe', content: { name: 'Ada' } },
    { action: 'accept' },
    { action: 'accept', content: [] },
    { action: 'accept', content: { name: 1 } },
    { action: 'accept', content: { name: 'Ada', age: 1.5 } },
    { action: 'accept', content: { name: 'Ada', age: '36' } },
  ]) {
    assert.throws(() => checkAnswer(ask, answer as JsonObject), unanswered, JSON.stringify(answer));
  }
  const sample: Ask = { kind: 'sample', params: { messages: [], maxTokens: 1 } };
  for (const answer of [
    {},
    { role: 'assistant', model: 'm' },
    { role: 'assistant', content: {} },
    { role: 'assistant', content: {}, model: 'm', stopReason: 1 },
    { role: 'system', content: {}, model: 'm' },
  ]) {
    assert.throws(() => checkAnswer(sample, answer as JsonObject), unanswered);
  }
  for (const answer of [{}, { roots: [{ uri: 'https://evil.example/' }] }, { roots: ['file:///'] }]) {
    assert.throws(() => checkAnswer({ kind: 'list_roots', params: {} }, answer as JsonObject), unanswered);
  }
});

test('whatever is asked and answered, reading it throws nothing but the declared errors', () => {
  const kinds = fc.constantFrom<Ask['kind']>('elicit', 'sample', 'list_roots');
  const object = fc.jsonValue().filter((value) => isObject(value as JsonObject)) as fc.Arbitrary<JsonObject>;
  const schema = fc.record({
    message: fc.string(),
    requestedSchema: fc.record({ type: fc.constant('object'), properties: object }),
  });
  fc.assert(
    fc.property(kinds, fc.oneof(object, schema as fc.Arbitrary<JsonObject>), object, (kind, params, answer) => {
      for (const read of [() => view({ kind, params }), () => checkAnswer({ kind, params }, answer)]) {
        try {
          read();
        } catch (error) {
          assert.ok(error instanceof GatewayError && /^ASK_/.test(error.code), String(error));
        }
      }
    }),
  );
});
