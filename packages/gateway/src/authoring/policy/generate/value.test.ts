import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, type JsonValue, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { LEAST, Seeded } from './choose.ts';
import { Ideas } from './ideas.ts';
import { textOf } from './pattern-text.ts';
import { argumentsFor } from './value.ts';

const least = (properties: JsonObject, more: JsonObject = {}): JsonObject =>
  argumentsFor(
    { type: 'object', properties, required: Object.keys(properties), ...more },
    { choose: LEAST, ideas: new Ideas() },
  );
const many = (property: JsonValue, ideas = new Ideas()): unknown[] => {
  const choose = new Seeded(1);
  const schema = { type: 'object', properties: { a: property }, required: ['a'] };
  return Array.from({ length: 400 }, () => argumentsFor(schema, { choose, ideas }).a);
};

test('the least arguments fit the schema: required members, first choices, lower bounds', () => {
  const given = least({
    text: { type: 'string', minLength: 3 },
    day: { type: 'string', format: 'date' },
    kind: { enum: ['b', 'a'] },
    fixed: { const: 7 },
    count: { type: 'integer', minimum: 5 },
    below: { type: 'integer', maximum: -3 },
    yes: { type: 'boolean' },
    list: { type: 'array', minItems: 2, items: { type: 'integer' } },
    nested: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } }, required: ['b'] },
    either: { anyOf: [{ type: 'boolean' }, { type: 'string' }] },
    named: { $ref: '#/properties/count' },
    nothing: { type: ['null', 'string'] },
  });
  assert.deepEqual(given, {
    text: 'xxx',
    day: '2026-01-31',
    kind: 'b',
    fixed: 7,
    count: 5,
    below: -3,
    yes: false,
    list: [0, 0],
    nested: { b: 'x' },
    either: false,
    named: 5,
    nothing: null,
  });
  assert.deepEqual(argumentsFor({ properties: { a: { type: 'string' } } }, { choose: LEAST, ideas: new Ideas() }), {});
});

test('random arguments lie on bounds, just outside them, and are what rules look for', () => {
  const numbers = many({ type: 'integer', minimum: 3, maximum: 9 });
  for (const value of [3, 4, 9, 10, 2, undefined]) assert.ok(numbers.includes(value), String(value));
  const texts = many({ type: 'string', maxLength: 4 }, new Ideas().learnMembers({ a: 'rare', b: 'other' }));
  for (const value of ['rare', 'other', '', 'xxxx', 'xxxxx', 'x']) assert.ok(texts.includes(value), value);
});

test('patterns that are easy are met, others are left alone', () => {
  for (const pattern of ['^[A-Z]{3}-\\d{4}$', '^(read|write)$', '\\w+@\\w+\\.com', '^/srv/[a-z]*$', '^a?b.$', '\\$\\d'])
    assert.match(textOf(pattern, LEAST) ?? '', new RegExp(pattern), pattern);
  for (const pattern of ['^(?=a)b', '[^a]', 'a|b', '\\p{L}', '(a(b))', 'a{2}{3}', '\\1'])
    assert.equal(textOf(pattern, LEAST), null, pattern);
  assert.ok(many({ type: 'string', pattern: '^T-\\d{2}$' }).includes('T-77'));
});

test('whatever the pattern, it is met or left alone', () => {
  const piece = fc.constantFrom(
    'a',
    '\\d',
    '\\.',
    '[b-d]',
    '(x|yz)',
    '.',
    '?',
    '*',
    '+',
    '{2}',
    '{1,3}',
    '^',
    '$',
    '|',
    '(',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const pattern = pieces.join('');
      const made = textOf(pattern, LEAST);
      if (made !== null) assert.match(made, new RegExp(pattern), pattern);
    }),
    { numRuns: 1000 },
  );
});

const scalar = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom('string', '#', '#/properties/a', true, null));
const schemas = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.dictionary(
      fc.constantFrom(
        'type',
        'properties',
        'items',
        'anyOf',
        '$ref',
        'enum',
        'required',
        'minLength',
        'maxLength',
        'a',
      ),
      fc.oneof(scalar, tie('schema'), fc.array(tie('schema'), { maxLength: 2 })),
    ),
  ),
})).schema;

test('whatever the schema, also one that refers to itself, arguments are made and are JSON', () => {
  fc.assert(
    fc.property(schemas, fc.nat(), (schema, seed) => {
      const value = parseJson(JSON.stringify({ properties: { a: schema, b: { $ref: '#' } } })) as JsonObject;
      const made = argumentsFor(value, { choose: new Seeded(seed), ideas: new Ideas() });
      assert.deepEqual(parseJson(stringifyJson(made)), made);
    }),
    { numRuns: 300 },
  );
});
