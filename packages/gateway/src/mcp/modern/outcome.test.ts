import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { ABLE } from '../../../../../tests/support/upstreams.ts';
import { GatewayError } from '../../errors.ts';
import { NO_ABILITIES } from '../asks.ts';
import { readOutcome } from './outcome.ts';

const badAnswer = (error: unknown) => error instanceof GatewayError && error.code === 'UPSTREAM_PROTOCOL_ERROR';
const read = (method: string, result: JsonObject, offer = ABLE, params: JsonObject = {}) =>
  readOutcome({ method, params }, result, offer);
const elicit = { method: 'elicitation/create', params: { message: 'who?', requestedSchema: {} } };
const TASK = { taskId: 't1', status: 'working', createdAt: 'a', lastUpdatedAt: 'b', ttlMs: null };

test('a complete result loses its bookkeeping and nothing else [MCP26-18]', () => {
  const whole =
    '{"content":[{"type":"odd","n":1.50}],"structuredContent":{"n":1e2},"isError":true,"_meta":{"a/b":-0},"more":1.0}';
  const result = parseJson(whole) as JsonObject;
  const outcome = read('tools/call', { ...result, resultType: 'complete', ttlMs: 5, cacheScope: 'public' });
  assert.equal(outcome.kind === 'complete' && stringifyJson(outcome.result), whole);
  const contents = [{ uri: 'a:b', text: 't' }];
  assert.deepEqual(read('resources/read', { contents, ttlMs: 0, cacheScope: 'private' }), {
    kind: 'complete',
    result: { contents },
  });
});

test('a request for more is read where the method allows it, and holds at least one of asks and state [MCP26-28]', () => {
  const type = { resultType: 'input_required' };
  for (const method of ['tools/call', 'prompts/get', 'resources/read']) {
    assert.deepEqual(read(method, { ...type, inputRequests: { who: elicit }, requestState: ' s ' }), {
      kind: 'input_required',
      asks: { who: { kind: 'elicit', params: elicit.params } },
      state: ' s ',
    });
    assert.deepEqual(read(method, { ...type, requestState: '' }), { kind: 'input_required', asks: {}, state: '' });
  }
  const roots = { method: 'roots/list' };
  assert.deepEqual(read('tools/call', { ...type, inputRequests: { ['__proto__']: roots } }), {
    kind: 'input_required',
    asks: { ['__proto__']: { kind: 'list_roots', params: {} } },
    state: null,
  });
  for (const method of ['completion/complete', 'tasks/get', 'tools/list', 'server/discover']) {
    assert.throws(() => read(method, { ...type, requestState: 's' }), badAnswer, method);
  }
  for (const rest of [
    {},
    { inputRequests: {} },
    { requestState: 1 },
    { inputRequests: [] },
    { inputRequests: { a: 1 } },
    { inputRequests: { a: { method: 'tools/call' } } },
    { inputRequests: { a: { params: {} } } },
    { inputRequests: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [String(n), elicit])) },
  ] as JsonObject[]) {
    assert.throws(() => read('tools/call', { ...type, ...rest }), badAnswer, JSON.stringify(rest));
  }
});

test('a task is the answer to a tool call of a client that can take one, and to nothing else', () => {
  const task = { resultType: 'task', ...TASK, ttlMs: 60_000, pollIntervalMs: 5, statusMessage: 'm' };
  const { resultType: _, ...handle } = task;
  assert.deepEqual(read('tools/call', task), { kind: 'task', result: handle });
  assert.throws(() => read('tools/call', task, NO_ABILITIES), badAnswer);
  assert.throws(() => read('prompts/get', task), badAnswer);
  assert.throws(() => read('tasks/get', task, ABLE, { taskId: 't1' }), badAnswer);
  for (const wrong of [
    { taskId: '' },
    { taskId: 1 },
    { status: 'lost' },
    { createdAt: 1 },
    { lastUpdatedAt: null },
    { ttlMs: -1 },
    { ttlMs: 'x' },
    { pollIntervalMs: null },
  ] as JsonObject[]) {
    assert.throws(() => read('tools/call', { ...task, ...wrong }), badAnswer, JSON.stringify(wrong));
  }
});

test('the state of a task is that of the task asked for, with what belongs to it [LIFE-05]', () => {
  const get = (more: JsonObject) => read('tasks/get', { ...TASK, ...more }, ABLE, { taskId: 't1' });
  const inputRequests = { who: elicit };
  for (const more of [
    { ttlMs: 5 },
    { status: 'cancelled' },
    { status: 'completed', result: { content: [] } },
    { status: 'failed', error: { code: 1, message: 'm' } },
    { status: 'input_required', inputRequests },
  ] as JsonObject[]) {
    assert.deepEqual(get(more), { kind: 'complete', result: { ...TASK, ...more } });
  }
  for (const more of [
    { taskId: 't2' },
    { status: 'completed' },
    { status: 'completed', result: {} },
    { status: 'failed' },
    { status: 'input_required' },
    { status: 'input_required', inputRequests: { a: 1 } },
    { _meta: 1 },
  ] as JsonObject[]) {
    assert.throws(() => get(more), badAnswer, JSON.stringify(more));
  }
  for (const method of ['tasks/update', 'tasks/cancel']) {
    assert.deepEqual(read(method, { resultType: 'complete' }), { kind: 'complete', result: {} });
  }
});

test('any result is understood or refused with a GatewayError', () => {
  const keys = fc.constantFrom(
    ...[
      'resultType',
      'inputRequests',
      'requestState',
      'content',
      'contents',
      'messages',
      'completion',
      'taskId',
      'status',
    ],
  );
  const values = fc.oneof(
    fc.json(),
    fc.constantFrom('"input_required"', '"task"', '"complete"', '{"a":{"method":"roots/list"}}'),
  );
  const methods = fc.constantFrom('tools/call', 'resources/read', 'prompts/get', 'completion/complete', 'tasks/get');
  fc.assert(
    fc.property(methods, fc.dictionary(keys, values), (method, given) => {
      const result = Object.fromEntries(Object.entries(given).map(([key, text]) => [key, parseJson(text)]));
      try {
        read(method, result);
      } catch (error) {
        assert.ok(error instanceof GatewayError);
      }
    }),
  );
});
