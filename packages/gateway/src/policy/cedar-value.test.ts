import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isObject, JsonNumber, type JsonObject, type JsonValue, parseJson, setMember } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { cedarRecord, cedarText, NotEvaluable } from './cedar-value.ts';

function object(text: string): JsonObject {
  const value = parseJson(text);
  assert.ok(isObject(value));
  return value;
}

test('safe integers are Long, every other number is its text, nulls are absent [G11]', () => {
  const value = object(
    '{"a":1,"b":-9007199254740991,"c":9007199254740992,"d":1.50,"e":1e2,"f":-0,"g":null,"h":[1,null,{"i":null}]}',
  );
  assert.deepEqual(cedarRecord(value, 'lexeme'), {
    a: 1,
    b: -9007199254740991,
    c: '9007199254740992',
    d: '1.50',
    e: '1e2',
    f: 0,
    h: [1, {}],
  });
  assert.deepEqual(cedarRecord(object('{"d":1.50,"e":1e2,"f":0.00001,"g":9007199254740992}'), 'python'), {
    d: '1.5',
    e: '100.0',
    f: '1e-05',
    g: '9007199254740992',
  });
});

test('a Cedar escape as an argument name is refused at any depth [ATK-13]', () => {
  for (const key of ['__entity', '__extn', '__expr']) {
    for (const text of [`{"${key}":{}}`, `{"a":{"${key}":null}}`, `{"a":[[{"b":[{"${key}":1}]}]]}`]) {
      assert.throws(() => cedarRecord(object(text), 'lexeme'), { code: 'ARGUMENTS_REFUSED' }, text);
    }
  }
  assert.deepEqual(cedarRecord(object('{"__ENTITY":1,"entity":2}'), 'lexeme'), { __ENTITY: 1, entity: 2 });
});

test('prototype names are only names [G6] [ATK-12]', () => {
  const converted = cedarRecord(
    object('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    'lexeme',
  );
  assert.deepEqual(Object.keys(converted), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(converted), Object.prototype);
  assert.equal('polluted' in {}, false);
});

test('what Cedar cannot carry is not evaluable: unpaired surrogates, deep nesting, numbers beyond a double', () => {
  let deep: JsonValue = 1;
  for (let level = 0; level < 300; level += 1) deep = [deep];
  const values: JsonObject[] = [{ a: '\ud800' }, { '\udc00': 1 }, { a: [{ b: 'x\ud800y' }] }, { deep }];
  for (const value of values) assert.throws(() => cedarRecord(value, 'lexeme'), NotEvaluable);
  assert.throws(() => cedarRecord({ a: new JsonNumber('1e999') }, 'python'), NotEvaluable);
  assert.throws(() => cedarText('\ud800'), NotEvaluable);
});

test('conversion of any arguments gives a value, or one of its two errors, and escapes never pass', () => {
  const key = fc.oneof(fc.string(), fc.constantFrom('__entity', '__extn', '__proto__', 'toJSON'));
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, '\ud800', new JsonNumber('1.5')),
      fc.string(),
      fc.maxSafeInteger(),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((pairs) => {
        const made: JsonObject = {};
        for (const [name, item] of pairs) setMember(made, name, item);
        return made;
      }),
    ),
  }));
  fc.assert(
    fc.property(value, (argument) => {
      try {
        const text = JSON.stringify(cedarRecord({ argument }, 'lexeme'));
        assert.doesNotMatch(text, /"__(entity|extn)":/);
      } catch (error) {
        assert.ok(
          error instanceof NotEvaluable || (error instanceof GatewayError && error.code === 'ARGUMENTS_REFUSED'),
        );
      }
    }),
    { numRuns: 300 },
  );
});
