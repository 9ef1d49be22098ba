import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { wrapSchema } from './wrapped-schema.ts';

const inner = (schema: JsonObject): unknown => (wrapSchema(schema).properties as JsonObject).result;

test('the dialect stays at the root, and everything else describes the member', () => {
  assert.deepEqual(wrapSchema({ $schema: 'http://json-schema.org/draft-07/schema#', type: 'string' }), {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: { result: { type: 'string' } },
    required: ['result'],
  });
});

test('references from the root lead to where the schema is now; anchors and other documents stay', () => {
  assert.deepEqual(
    inner({
      type: 'array',
      items: { anyOf: [{ $ref: '#/$defs/node' }, { $ref: '#' }, { $ref: '#named' }, { $ref: 'other.json#/a' }] },
      $defs: { node: { properties: { next: { $ref: '#/$defs/node' } } }, $ref: { $ref: '#/$defs/node' } },
    }),
    {
      type: 'array',
      items: {
        anyOf: [
          { $ref: '#/properties/result/$defs/node' },
          { $ref: '#/properties/result' },
          { $ref: '#named' },
          { $ref: 'other.json#/a' },
        ],
      },
      $defs: {
        node: { properties: { next: { $ref: '#/properties/result/$defs/node' } } },
        $ref: { $ref: '#/properties/result/$defs/node' },
      },
    },
  );
});

test('data is not taken for a schema, and what has an identity of its own is left alone', () => {
  const data: JsonObject = { const: { $ref: '#/a' }, enum: [{ $ref: '#' }], default: { $ref: '#' } };
  assert.deepEqual(inner(data), data);
  const identified: JsonObject = { $id: 'urn:x', anyOf: [{ $ref: '#/$defs/a' }] };
  assert.deepEqual(inner(identified), identified);
  const nested: JsonObject = { type: 'array', items: { $id: 'urn:y', $ref: '#/$defs/a' } };
  assert.deepEqual(inner(nested), nested);
});
