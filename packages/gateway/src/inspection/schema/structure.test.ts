import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isObject, type JsonObject, type JsonValue, parseJson } from '@cmcp/evidence';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { Place } from '../../catalog/fields.ts';
import { GatewayError } from '../../errors.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import { checkStructure } from './check-structure.ts';
import { classesIn } from './classes-in.ts';
import { type Structure, Structures } from './structure.ts';

const RANKS = sensitivityRanks();
const PLACE = new Place('catalog.json').at('tools').at(0);

function compiled(schema: JsonObject): Structure {
  return new Structures(RANKS).compile(schema, PLACE);
}

function refused(schema: JsonObject, pointer: string, words: RegExp): void {
  assert.throws(
    () => compiled(schema),
    (error) => {
      assert.ok(error instanceof GatewayError, String(error));
      assert.equal(error.code, 'CATALOG_INVALID');
      assert.ok(error.detail.startsWith(`catalog.json at /tools/0${pointer}:`), error.detail);
      assert.match(error.detail, words);
      return true;
    },
  );
}

const TEXT = { type: 'string' };
const nested = (depth: number): JsonObject => (depth === 0 ? TEXT : { properties: { a: nested(depth - 1) } });

test('a schema that nothing can be held against is refused when the catalog is loaded, with where and why [MCP26-34]', () => {
  const cases: [JsonObject, string, RegExp][] = [
    [{ $schema: 'http://json-schema.org/draft-04/schema#' }, '/$schema', /not supported/],
    [{ $schema: 'https://example.com/own' }, '/$schema', /not supported/],
    [{ $schema: 7 }, '/$schema', /not supported/],
    [{ $ref: 'https://example.com/schema' }, '/$ref', /nothing is fetched/],
    [{ properties: { a: { $ref: 'file:///etc/passwd' } } }, '/properties/a/$ref', /nothing is fetched/],
    [{ $ref: '#/$defs/none' }, '/$ref', /no schema within/],
    [{ $ref: '#/default', default: {} }, '/$ref', /no schema within/],
    [{ $recursiveRef: '#' }, '/$recursiveRef', /not supported/],
    [{ properties: { a: { $id: 'b' } } }, '/properties/a/$id', /topmost/],
    [{ properties: { a: { $schema: 'x' } } }, '/properties/a/$schema', /topmost/],
    [{ type: 'strin' }, '/type', /2020-12/],
    [{ required: 'a' }, '/required', /2020-12/],
    [{ enum: 'a' }, '/enum', /array/],
    [{ items: [TEXT] }, '/items', /2020-12/],
    [{ minLength: -1 }, '/minLength', /2020-12/],
    [{ properties: { a: 7 } }, '/properties/a', /must be a schema/],
    [{ $ref: '#' }, '', /without end/],
    [{ anyOf: [{ $ref: '#/$defs/a' }], $defs: { a: { not: { $ref: '#' } } } }, '', /without end/],
    [{ anyOf: Array.from({ length: 10_000 }, () => TEXT) }, '/anyOf/1999', /more than 2000/],
    [nested(65), `${'/properties/a'.repeat(65)}`, /deeper than 64/],
    [{ description: 'x'.repeat(256 * 1024) }, '', /larger than/],
    [{ properties: parseJson('{"__proto__":{"type":"string"}}') }, '/properties/__proto__', /cannot be checked/],
  ];
  for (const [schema, pointer, words] of cases) refused(schema, pointer, words);
  const chain = Object.fromEntries(
    Array.from({ length: 70 }, (_, index) => [`a${index}`, { $ref: `#/$defs/a${index + 1}` }]),
  );
  refused({ $defs: { ...chain, a70: TEXT } }, '/$defs/a65', /without end|lead to one another/);
});

test('a pattern that has no linear matching is refused when the catalog is loaded [ATK-21]', () => {
  const bad = ['(?=a)b', '(?<!a)b', '(a)\\1', '(', 'a{1,5000}', 'a'.repeat(3000)];
  for (const pattern of bad) {
    refused({ properties: { a: { pattern } } }, '/properties/a/pattern', /linear time|longer/);
    refused({ patternProperties: { [pattern]: TEXT } }, `/patternProperties/${pattern}`, /linear time|longer/);
  }
});

test('a pattern that backtracks for ever elsewhere is matched in linear time [ATK-21]', () => {
  const structure = compiled({ properties: { a: { pattern: '^(a+)+$' } }, patternProperties: { '^(b|b)*$': TEXT } });
  const long = 'a'.repeat(100_000);
  assert.equal(structure.check({ a: `${long}!` }), '#/properties/a/pattern');
  assert.equal(structure.check({ a: long, [`${'b'.repeat(100_000)}!`]: 7 }), null);
});

test('a schema of draft-07 is read as one, and each dialect has its own keywords', () => {
  const draft = 'http://json-schema.org/draft-07/schema#';
  const schema: JsonObject = { $schema: draft, items: [TEXT], additionalItems: false, definitions: { a: TEXT } };
  assert.equal(compiled(schema).check(['a']), null);
  assert.equal(compiled(schema).check(['a', 'b']), '#/additionalItems');
  const modern = compiled({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    prefixItems: [TEXT],
    items: false,
  });
  assert.equal(modern.check(['a', 'b']), '#/items');
  const dependent = compiled({ $schema: draft, dependencies: { a: ['b'], c: { required: ['d'] } } });
  assert.equal(dependent.check({ a: 1 }), '#/dependencies');
  assert.equal(dependent.check({ c: 1 }), '#/dependencies/c/required');
});

test('formats and unknown keywords say nothing, also those that the library knows', () => {
  const schema = {
    format: 'email',
    $async: true,
    nullable: true,
    discriminator: { propertyName: 'a' },
    oneOf: [TEXT],
    $id: 'https://a.example/',
  };
  assert.equal(compiled(schema).check('no address'), null);
  assert.equal(compiled(schema).check(null), '#/oneOf/0/type');
});

test('recursive schemas follow the value down, and what would take for ever is not let through [MCP26-34]', () => {
  const tree = { type: 'object', properties: { next: { $ref: '#' }, n: { type: 'integer' } } };
  let deep: JsonValue = { n: 1 };
  for (let depth = 0; depth < 200; depth++) deep = { next: deep };
  assert.equal(compiled(tree).check(deep), null);
  const branch = (op: string): JsonObject => ({ properties: { next: { $ref: '#' }, op: { const: op } } });
  let doubled: JsonValue = {};
  for (let depth = 0; depth < 100; depth++) doubled = { next: doubled, op: 'b' };
  assert.match(compiled({ anyOf: [branch('a'), branch('b')] }).check(doubled) ?? '', /more steps/);
  const half = (level: number): JsonObject => ({ $ref: `#/$defs/a${level + 1}` });
  const levels = Array.from({ length: 28 }, (_, level) => [`a${level}`, { anyOf: [half(level), half(level)] }]);
  const halves = { $ref: '#/$defs/a0', $defs: { ...Object.fromEntries(levels), a28: false } };
  assert.match(compiled(halves).check(1) ?? '', /more steps/, 'also where everything fails');
  const links = Array.from({ length: 30 }, (_, link) => [`a${link}`, { $ref: `#/$defs/a${link + 1}` }]);
  const a30 = { properties: { next: { $ref: '#/$defs/a0' } } };
  let deepest: JsonValue = {};
  for (let depth = 0; depth < 2000; depth++) deepest = { next: deepest };
  const chained = compiled({ $ref: '#/$defs/a0', $defs: { ...Object.fromEntries(links), a30 } });
  assert.match(chained.check(deepest) ?? '', /more steps/, 'nor is the stack exhausted');
  const wide = compiled({
    items: { properties: Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`a${index}`, TEXT])) },
  });
  assert.match(wide.check(Array.from({ length: 100_000 }, () => ({}))) ?? '', /more steps/);
  assert.equal(wide.check([{}]), null);
});

test('a schema that is used often is compiled once', () => {
  const much = { properties: Object.fromEntries(Array.from({ length: 990 }, (_, index) => [`a${index}`, TEXT])) };
  const uses = Object.fromEntries(Array.from({ length: 990 }, (_, index) => [`b${index}`, { $ref: '#/$defs/much' }]));
  assert.equal(compiled({ properties: uses, $defs: { much } }).check({ b7: { a7: 7 } }), '#/properties/a7/type');
});

test('lists without repetition and long choices are checked in linear time', () => {
  const unique = compiled({ uniqueItems: true });
  const items = (count: number): JsonValue[] => Array.from({ length: count }, (_, index) => ({ index: [index] }));
  assert.equal(unique.check(items(200_000)), null);
  assert.equal(unique.check([...items(200_000), { index: [7] }]), '#/uniqueItems');
  assert.equal(unique.check([1, '1', true, 'true', null, 'null', [1], ['1'], {}, []]), null);
  assert.equal(
    unique.check([
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ]),
    '#/uniqueItems',
  );
  const choice = compiled({ items: { enum: Array.from({ length: 20_000 }, (_, index) => index) } });
  assert.equal(choice.check(Array.from({ length: 100_000 }, (_, index) => index % 20_000)), null);
  assert.equal(choice.check([20_000]), '#/items/enum');
});

test('a label that is unknown is refused, wherever a schema may stand, in either form of the catalog [D-27]', () => {
  const bad = { 'x-sensitivity': 'pii2' };
  const cases: [JsonObject, string][] = [
    [bad, ''],
    [{ properties: { a: bad } }, '/properties/a'],
    [{ anyOf: [TEXT, { items: bad }] }, '/anyOf/1/items'],
    [{ $defs: { a: { 'x-sensitivity': ['pii', 'pii2'] } } }, '/$defs/a'],
    [{ additionalProperties: { 'x-sensitivity': 7 } }, '/additionalProperties'],
  ];
  for (const [schema, pointer] of cases) {
    refused(schema, `${pointer}/x-sensitivity`, /sensitivity/);
    assert.throws(() => new Structures(RANKS).compileAny(schema, PLACE), /CATALOG_INVALID.*x-sensitivity/);
  }
  assert.doesNotThrow(() => compiled({ default: bad, properties: { 'x-sensitivity': TEXT, a: { enum: [bad] } } }));
});

test('what a schema compares with may look like a schema, and is none', () => {
  for (const data of [
    { $id: 7 },
    { $anchor: 'no anchor!' },
    { $id: '#a' },
    { $ref: 'https://example.com/' },
    { type: 'x' },
  ]) {
    const structure = compiled({ anyOf: [{ const: data }, { enum: [[data]] }] });
    assert.equal(structure.check(data), null);
    assert.equal(structure.check([data]), null);
    assert.equal(structure.check({ other: 1 }), '#/anyOf/0/const');
  }
});

test('nothing fits a schema that only had to load', () => {
  const structure = new Structures(RANKS).compileAny({ $ref: 'https://example.com/a', properties: { a: TEXT } }, PLACE);
  const { result, violation } = checkStructure(structure, { content: [], structuredContent: { a: 'x' } }, 'log');
  assert.deepEqual(result, { content: [], structuredContent: { a: 'x' } });
  assert.match(violation ?? '', /cannot be used.*nothing is fetched/);
});

test('the classes of an answer are the labels of what is in it, by the first place of each [C-22]', () => {
  const structure = compiled({
    'x-sensitivity': 'public',
    properties: {
      mail: { 'x-sensitivity': 'pii' },
      notes: { 'x-sensitivity': ['confidential', 'hipaa_phi'] },
      people: { items: { $ref: '#/$defs/person' } },
      choice: { oneOf: [TEXT, { 'x-sensitivity': 'mnpi' }] },
    },
    patternProperties: { '^x-': { 'x-sensitivity': 'trade_secret' } },
    additionalProperties: { 'x-sensitivity': 'confidential' },
    $defs: { person: { properties: { boss: { $ref: '#/$defs/person' }, mail: { 'x-sensitivity': 'pii' } } } },
  });
  const at = (value: JsonValue) =>
    classesIn(structure, value).map(({ label, path, count }) => [label, path.join('.'), count]);
  assert.deepEqual(at({}), [['public', '', 1]]);
  assert.deepEqual(at({ people: [{}, { boss: { mail: 'a' } }, { mail: null }] }).slice(1), [
    ['pii', 'people.1.boss.mail', 2],
  ]);
  assert.deepEqual(at({ notes: 'n' }).slice(1), [
    ['confidential', 'notes', 1],
    ['hipaa_phi', 'notes', 1],
  ]);
  assert.deepEqual(at({ choice: 'text' }).slice(1), [['mnpi', 'choice', 1]]);
  assert.deepEqual(at({ 'x-1': 1, mail: 1 }).slice(1), [
    ['trade_secret', 'x-1', 1],
    ['pii', 'mail', 1],
  ]);
  assert.deepEqual(at({ other: 1 }).slice(1), [['confidential', 'other', 1]]);
});

const NAMES = fc.constantFrom('a', 'b', '__proto__', 'constructor', 'length');
const VALUES = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>(null, true, 0, 1, -1, 'a', 'CANARY', '{"a":1}'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(NAMES, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

const KEYWORDS = fc.constantFrom(
  '$ref',
  '$defs',
  '$id',
  '$schema',
  '$anchor',
  '$dynamicRef',
  'additionalProperties',
  'allOf',
  'anyOf',
  'const',
  'contains',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'else',
  'enum',
  'if',
  'items',
  'maxItems',
  'minimum',
  'multipleOf',
  'not',
  'oneOf',
  'pattern',
  'patternProperties',
  'prefixItems',
  'properties',
  'propertyNames',
  'required',
  'type',
  'unevaluatedItems',
  'unevaluatedProperties',
  'uniqueItems',
  'x-sensitivity',
  'a',
  '__proto__',
);

test('whatever a schema says, it compiles or is refused as catalogs are, and what compiles judges any value', () => {
  const { schema } = fc.letrec<{ schema: JsonValue }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<JsonValue>(
        true,
        false,
        'object',
        'string',
        '#',
        '#/$defs/a',
        '#/properties/a',
        '^a',
        '(',
        1,
        -1,
        null,
        'pii',
      ),
      fc.array(tie('schema'), { maxLength: 3 }),
      fc.dictionary(KEYWORDS, tie('schema'), { noNullPrototype: true }),
    ),
  }));
  const structures = new Structures(RANKS);
  let usable = 0;
  fc.assert(
    fc.property(fc.dictionary(KEYWORDS, schema, { noNullPrototype: true }), VALUES, (given, value) => {
      const structure = outcome(() => structures.compile(given, PLACE));
      if (structure === null) return;
      usable += 1;
      const { result, surplus } = checkStructure(structure, { structuredContent: value }, 'redact');
      if (surplus === 0) assert.deepEqual(result.structuredContent, value);
      classesIn(structure, value);
    }),
    { numRuns: 3000 },
  );
  assert.ok(usable > 100, String(usable));
});

function outcome<T>(act: () => T): T | null {
  try {
    return act();
  } catch (error) {
    assert.ok(error instanceof GatewayError && error.code === 'CATALOG_INVALID', String(error));
    return null;
  }
}

/** Schemas that make sense, so that most compile and values often fit. */
const SENSIBLE = fc.letrec<{ schema: JsonObject }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonObject>(
      {},
      { type: 'string' },
      { type: 'integer', minimum: 0 },
      { enum: ['a', 1, null] },
      { const: 1 },
      { not: { type: 'null' } },
      { type: ['array', 'object'] },
    ),
    fc.record({
      type: fc.constant('object'),
      properties: fc.dictionary(fc.constantFrom('a', 'b'), tie('schema'), { noNullPrototype: true }),
    }),
    fc.record({
      properties: fc.record({ a: tie('schema') }),
      additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
    }),
    fc.record({ allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }), unevaluatedProperties: fc.boolean() }),
    fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }) }),
    fc.record({
      prefixItems: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
      items: tie('schema'),
      uniqueItems: fc.boolean(),
    }),
    fc.record({
      required: fc.constantFrom<JsonValue>(['a'], ['a', 'b'], ['constructor']),
      dependentRequired: fc.constantFrom<JsonValue>({}, { a: ['b'] }),
    }),
    fc.record({ patternProperties: fc.record({ '^a': tie('schema') }), maxProperties: fc.nat({ max: 2 }) }),
    fc.record({ if: tie('schema'), else: tie('schema') }),
  ),
})).schema;

/** What an `if` has evaluated counts for the library even where it fails, so that both sides differ by what they leave out (LIMITATIONS.md). */
const isLax = (schema: JsonObject): boolean => {
  const text = JSON.stringify(schema);
  return text.includes('"if"') && text.includes('"unevaluatedProperties"');
};

test('a value fits where the library by itself says that it fits', () => {
  const plain = new Ajv2020({ strict: false, validateFormats: false, ownProperties: true, addUsedSchema: false });
  const structures = new Structures(RANKS);
  fc.assert(
    fc.property(
      SENSIBLE.filter((schema) => !isLax(schema)),
      VALUES,
      (schema, value) => {
        assert.equal(structures.compile(schema, PLACE).check(value) === null, plain.validate(schema, value));
      },
    ),
    { numRuns: 1500 },
  );
});

test('what is left of an answer in mode redact has no member that is surplus, and no copy of one in any text [G18]', () => {
  const structures = new Structures(RANKS);
  fc.assert(
    fc.property(SENSIBLE, VALUES.filter(isObject), fc.boolean(), (schema, value, isPretty) => {
      const structure = structures.compile(
        { ...schema, properties: { ...(schema.properties as JsonObject), a: true } },
        PLACE,
      );
      // Of a value of its own, so that it stands nowhere else.
      const structuredContent = { ...value, surplus: 'SURPLUS' };
      const text = JSON.stringify(structuredContent, null, isPretty ? 1 : 0);
      const answer = {
        content: [{ type: 'text', text }],
        structuredContent,
        _meta: { text, value: structuredContent },
      };
      const { result, surplus } = checkStructure(structure, answer, 'redact');
      if (structure.view.names('surplus')) return;
      assert.ok(surplus >= 1);
      assert.doesNotMatch(JSON.stringify(result), /SURPLUS/);
      assert.equal(checkStructure(structure, result, 'redact').surplus, 0);
    }),
    { numRuns: 1000 },
  );
});
