import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue } from '@cmcp/evidence';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { object, REASON, type Schema, UUID } from './route.ts';
import { misfit, requireKnownKeywords } from './schema-check.ts';

const SCHEMAS: Schema[] = [
  UUID,
  REASON,
  { type: ['integer', 'null'], minimum: 0, maximum: 9 },
  { enum: ['a', 1, null] },
  { anyOf: [{ const: { a: 1 } }, { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 }] },
  object({ reason: REASON, id: UUID, list: { type: 'array', items: { type: 'string', minLength: 2, maxLength: 3 } } }, [
    'reason',
  ]),
  { type: 'object', additionalProperties: { type: 'integer' }, properties: { a: { type: 'null' } }, required: ['a'] },
  object({ deep: object({ deeper: { not: { type: 'string' } } }, ['deeper']) }),
];

const text = fc.constantFrom('', 'a', 'ok', 'kill_switch_triggered', '00000000-0000-4000-8000-000000000000', 'line\n');
const leaf = fc.oneof(text, fc.integer({ min: -2, max: 12 }), fc.boolean(), fc.constant(null));
const value = fc.letrec<{ any: JsonValue }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('reason', 'id', 'list', 'a', 'deep', 'deeper', 'other'), tie('any'), { maxKeys: 4 }),
  ),
})).any;

test('what fits a schema is what the schema library says fits it', () => {
  const ajv = new Ajv2020({ strict: false, logger: false });
  const checks = SCHEMAS.map((schema) => ({ schema, fits: ajv.compile(schema) }));
  fc.assert(
    fc.property(value, (given) => {
      for (const { schema, fits } of checks)
        assert.equal(misfit(given, schema) === null, fits(given), JSON.stringify([schema, given]));
    }),
    { numRuns: 100 },
  );
});

test('a misfit is named by what was sent, and what is deeper by its place', () => {
  const schema = object({ a: { type: 'integer' }, deep: object({ b: { type: 'integer' } }, ['b']) });
  const expected: [JsonValue, RegExp][] = [
    ['x', /^it must be object$/],
    [{ a: 'x' }, /^"a" must be integer$/],
    [{ deep: {} }, /^\/deep\/b must be there$/],
    [{ deep: { b: 1, c: 2 } }, /^\/deep: unknown member "c"; known: b$/],
  ];
  for (const [given, said] of expected) assert.match(String(misfit(given, schema)), said);
});

test('a schema with a keyword that nothing checks is no schema of a route', () => {
  for (const schema of [{ minProperties: 1 }, object({ a: { format: 'uuid' } }), { items: { $ref: '#' } }])
    assert.throws(() => requireKnownKeywords(schema), /no check for the schema keyword/);
  assert.throws(() => requireKnownKeywords({ pattern: '(' }));
  for (const schema of SCHEMAS) requireKnownKeywords(schema);
});
