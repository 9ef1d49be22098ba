import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import fc from 'fast-check';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import { apply } from './apply.ts';
import { ClassSight } from './class-sight.ts';

const RANKS = sensitivityRanks({ secret: 9 });

function left(schema: JsonObject | null, given: JsonValue, label = 'pii'): JsonValue {
  return apply(given, [ClassSight.of(schema, label, RANKS)], { fields: 0 });
}

const PII = { 'x-sensitivity': 'pii' };
const TEXT = { type: 'string' };
const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });

/** What is left of `{ "x": "v" }`, or of the member `x` as it is given. */
const leftOfX = (schema: JsonValue, x: JsonValue = 'v', root: JsonObject = {}, label = 'pii'): JsonValue =>
  (left(object({ x: schema }, root), { x }, label) as JsonObject).x ?? null;

const GONE = '[redacted]';

test('a field is taken when its label is the class, ranks higher, or is unknown', () => {
  const cases: [JsonValue, string, JsonValue][] = [
    ['pii', 'pii', GONE],
    ['public', 'pii', 'v'],
    ['confidential', 'pii', GONE],
    ['secret', 'mnpi', GONE],
    ['hipaa_phi', 'mnpi', 'v'],
    ['pii', 'confidential', 'v'],
    ['no-such-class', 'secret', GONE],
    [['public', 'pii'], 'pii', GONE],
    [['public'], 'pii', 'v'],
    [7, 'pii', GONE],
    [null, 'pii', GONE],
  ];
  for (const [given, label, expected] of cases)
    assert.equal(leftOfX({ 'x-sensitivity': given }, 'v', {}, label), expected, `${given} under ${label}`);
});

test('a label counts wherever a schema is put together from', () => {
  const $defs = { p: PII, far: { $ref: '#/$defs/p' }, loop: { $ref: '#/$defs/loop', type: 'string' }, 'a/b~': PII };
  for (const key of ['allOf', 'anyOf', 'oneOf']) assert.equal(leftOfX({ [key]: [TEXT, PII] }), GONE, key);
  for (const key of ['if', 'then', 'else']) assert.equal(leftOfX({ ...TEXT, [key]: PII }), GONE, key);
  for (const to of [
    '#/$defs/p',
    '#/$defs/far',
    '#/$defs/a~1b~0',
    '#/%24defs/p',
    '#/$defs/none',
    '#anchor',
    'https://x.example/',
    '',
  ])
    assert.equal(leftOfX({ ...TEXT, $ref: to }, 'v', { $defs }), GONE, to);
  assert.equal(leftOfX({ $ref: '#/$defs/loop' }, 'v', { $defs }), 'v');
  assert.equal(leftOfX({ ...TEXT, $recursiveRef: '#' }), GONE);
  assert.equal(leftOfX({ ...TEXT, $dynamicRef: '#p' }, 'v', { $defs: { p: { ...PII, $dynamicAnchor: 'p' } } }), GONE);
  assert.equal(leftOfX({ ...TEXT, $dynamicRef: '#p' }), GONE);
  assert.equal(leftOfX({ ...TEXT, $ref: '#/%' }), GONE);
});

test('what a schema does not describe is taken', () => {
  for (const schema of [true, {}, null, 'text']) assert.equal(leftOfX(schema), GONE, JSON.stringify(schema));
  assert.deepEqual(left(object({}), { y: 'v', z: 1 }), { y: GONE, z: null });
  assert.equal(left(null, 'v'), GONE);
  assert.deepEqual(left(object({}, { additionalProperties: TEXT }), { y: 'v' }), { y: 'v' });
  assert.deepEqual(left(object({}, { additionalProperties: true }), { y: 'v' }), { y: GONE });
  assert.deepEqual(left(object({ y: TEXT }, { additionalProperties: PII }), { y: 'v', z: 'v' }), { y: 'v', z: GONE });
  assert.deepEqual(left({ type: 'object', patternProperties: { '^a': PII, '^b': TEXT } }, { b: 'v' }), { b: GONE });
  assert.deepEqual(left({ type: 'object', patternProperties: { '^b': TEXT } }, { b: 'v' }), { b: 'v' });
  const open = { patternProperties: { '^b': PII }, additionalProperties: TEXT };
  assert.deepEqual(left(object({}, open), { b: 'v' }), { b: GONE });
  assert.deepEqual(left(object({ toString: TEXT }), { toString: 'v', valueOf: 'v' }), { toString: 'v', valueOf: GONE });
});

test('items are those of their place, or of the rest', () => {
  assert.deepEqual(leftOfX({ items: TEXT }, ['a']), ['a']);
  assert.deepEqual(leftOfX({ items: PII }, ['a', 1]), [GONE, null]);
  assert.deepEqual(leftOfX({ type: 'array' }, ['a']), [GONE]);
  assert.deepEqual(leftOfX({ prefixItems: [TEXT, PII], items: TEXT }, ['a', 'b', 'c']), ['a', GONE, 'c']);
  assert.deepEqual(leftOfX({ prefixItems: [TEXT] }, ['a', 'b']), ['a', GONE]);
  assert.deepEqual(leftOfX({ items: [TEXT, PII], additionalItems: TEXT }, ['a', 'b', 'c']), ['a', GONE, 'c']);
});

test('whatever the schema, nothing is left of a document but its own values and the marks', () => {
  const key = fc.constantFrom(
    'properties',
    'items',
    'allOf',
    '$ref',
    '$defs',
    'x-sensitivity',
    'additionalProperties',
    'a',
    '__proto__',
  );
  const leaf = fc.constantFrom<JsonValue>('pii', '#', '#/$defs/a', '#/properties/a', true, 1, null);
  const { schema } = fc.letrec((tie) => ({
    schema: fc.oneof(
      { maxDepth: 6 },
      leaf,
      fc.array(tie('schema'), { maxLength: 3 }),
      fc.dictionary(key, tie('schema'), { noNullPrototype: true }),
    ),
  }));
  const document = { a: ['v', { a: 'v' }], items: 'v' };
  fc.assert(
    fc.property(schema, (given) => {
      const after = left(
        { type: 'object', properties: { a: given as JsonValue, items: given as JsonValue } },
        document,
      );
      assert.match(
        JSON.stringify(after).replaceAll(/"\[redacted\]"|null|"v"/g, '_'),
        /^\{"a":[[\]{}a":_,]+,"items":_\}$/,
      );
    }),
    { numRuns: 2000 },
  );
});
