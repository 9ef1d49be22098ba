import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../errors.ts';
import { readPage } from './server-lists.ts';

const badAnswer = (error: unknown) => error instanceof GatewayError && error.code === 'UPSTREAM_PROTOCOL_ERROR';

test('an empty cursor is a cursor; a cursor that is no string is an error, in every list [MCP26-24]', () => {
  for (const [kind, items] of [
    ['tools', 'tools'],
    ['resources', 'resources'],
    ['resourceTemplates', 'resourceTemplates'],
    ['prompts', 'prompts'],
  ] as const) {
    assert.deepEqual(readPage(kind, { [items]: [1], nextCursor: '' }), { items: [1], nextCursor: '' });
    assert.deepEqual(readPage(kind, { [items]: [] }), { items: [], nextCursor: null });
    assert.throws(() => readPage(kind, { [items]: [], nextCursor: 1 }), badAnswer);
    assert.throws(() => readPage(kind, { [items]: {} }), badAnswer);
    assert.throws(() => readPage(kind, {}), badAnswer);
  }
});
