import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../tests/shared.ts';
import { canonicalJcs, canonicalSorted, JsonError, JsonNumber, parseJson, sha256Hex, stringifyJson } from '../index.ts';

const sorted = (text: string): string => canonicalSorted(parseJson(text));
const jcs = (text: string): string => canonicalJcs(parseJson(text));

test('RFC 8785 vectors give the published bytes', (t) => {
  const folder = sharedPath('vectors', 'json-canonicalization');
  if (folder === null) return t.skip('the vectors are not there');
  const names = readdirSync(join(folder, 'input'));
  assert.ok(names.length > 0);
  for (const name of names) {
    const output = readFileSync(join(folder, 'output', name), 'utf8').trimEnd();
    assert.equal(canonicalJcs(parseJson(readFileSync(join(folder, 'input', name)))), output, name);
  }
});

test('combining characters and U+007F: both forms give the hashes of the reference [ATK-35] [C-12]', () => {
  const text = '{"b":null,"a":"e\u0301\u007f"}';
  assert.equal(sorted(text), '{"a":"e\\u0301\\u007f","b":null}');
  assert.equal(sha256Hex(sorted(text)), 'a2c7638a0df5c0a67dfc06394b240aee380c1956a51202a0d4f8029e32493e75');
  assert.equal(jcs(text), '{"a":"e\u0301\u007f","b":null}');
  assert.equal(sha256Hex(jcs(text)), 'cfb28b3f43b5b604978cf6f911e61662b4af8f92e80aeda68ca104ab28327f14');
});

test('composed and decomposed text stay two different texts [ATK-35]', () => {
  assert.notEqual(sorted('"\u00e9"'), sorted('"e\u0301"'));
  assert.notEqual(jcs('"\u00e9"'), jcs('"e\u0301"'));
});

test('floats print as Python prints them in the sorted form, as ECMAScript prints them in JCS [ATK-35]', () => {
  const text = '[2.0,1e-7,1e21,1e16,123456789.5,0.5,1e15,-0.0]';
  assert.equal(sorted(text), '[2.0,1e-07,1e+21,1e+16,123456789.5,0.5,1000000000000000.0,-0.0]');
  assert.equal(jcs(text), '[2,1e-7,1e+21,10000000000000000,123456789.5,0.5,1000000000000000,0]');
  for (const [lexeme, printed] of [
    ['1e3', '1000.0'],
    ['1e15', '1000000000000000.0'],
    ['0.0001', '0.0001'],
    ['0.00001', '1e-05'],
    ['5e-324', '5e-324'],
    ['100000000000000000000.0', '1e+20'],
    ['1.5e300', '1.5e+300'],
    ['-0', '0'],
    ['0.0', '0.0'],
    ['-12.25', '-12.25'],
    ['-0.00012', '-0.00012'],
    ['9999999999999998.0', '9999999999999998.0'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
  ] as const) {
    assert.equal(sorted(lexeme), printed, lexeme);
  }
});

test('members are sorted by code point in the sorted form, by UTF-16 unit in JCS [ATK-35]', () => {
  const text = '{"\u{10000}":1,"\uffff":2,"z":3}';
  assert.equal(sorted(text), '{"z":3,"\\uffff":2,"\\ud800\\udc00":1}');
  assert.equal(jcs(text), '{"z":3,"\u{10000}":1,"\uffff":2}');
  assert.equal(sorted('{"b":1,"":2,"aa":3,"a":4,"10":5,"9":6}'), '{"":2,"10":5,"9":6,"a":4,"aa":3,"b":1}');
});

test('nulls are kept, and separators are escaped in the sorted form only', () => {
  assert.equal(sorted('{"A":null,"B":[null,{"C":null}]}'), '{"A":null,"B":[null,{"C":null}]}');
  const text = '{"a":"<\u2028\u0085/>"}';
  assert.equal(sorted(text), '{"a":"<\\u2028\\u0085/>"}');
  assert.equal(jcs(text), text);
  assert.equal(sorted('"\\b\\t\\n\\f\\r\\u0001\\u001f\\"\\\\"'), '"\\b\\t\\n\\f\\r\\u0001\\u001f\\"\\\\"');
});

test('an integer beyond 2^53−1 is printed in full in the sorted form and refused by JCS [ATK-35]', () => {
  assert.equal(sorted('[9007199254740993]'), '[9007199254740993]');
  assert.throws(() => jcs('[9007199254740993]'), { name: 'JsonError', code: 'UNREPRESENTABLE' });
});

test('what neither form can carry is refused, not repaired [ATK-35]', () => {
  assert.equal(canonicalSorted('\ud800'), '"\\ud800"');
  assert.throws(() => canonicalJcs('\ud800'), { code: 'LONE_SURROGATE' });
  assert.throws(() => canonicalJcs({ '\udc00': 1 }), { code: 'LONE_SURROGATE' });
  for (const form of [canonicalSorted, canonicalJcs, stringifyJson]) {
    assert.throws(() => form(0.5), { code: 'UNREPRESENTABLE' });
    assert.throws(() => form(Number.NaN), { code: 'UNREPRESENTABLE' });
    assert.throws(() => form(undefined as never), { code: 'UNREPRESENTABLE' });
  }
  for (const form of [canonicalSorted, canonicalJcs]) {
    assert.throws(() => form(new JsonNumber('1e999')), { code: 'UNREPRESENTABLE' });
  }
});

test('a value that nests without end is refused before the stack is used up', () => {
  const endless: unknown[] = [];
  endless.push(endless);
  for (const form of [canonicalSorted, canonicalJcs, stringifyJson]) {
    assert.throws(() => form(endless as never), { name: 'JsonError', code: 'TOO_DEEP' });
  }
});

test('on printable ASCII and integers both forms agree [C-03]', () => {
  const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) });
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.maxSafeInteger().map((n) => n + 0),
      fc.boolean(),
      fc.array(tie('value')),
      fc.dictionary(text, tie('value')),
    ),
  })).value;
  fc.assert(
    fc.property(value, (sample) => assert.equal(canonicalSorted(sample as never), canonicalJcs(sample as never))),
  );
});

test('both forms read back to the same value, and are their own canonical form', () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false }), (text) => {
      if (!text.isWellFormed() || /\\ud[89a-f]/.test(text)) return;
      for (const form of [canonicalSorted, canonicalJcs]) {
        try {
          const once = form(parseJson(text));
          assert.equal(form(parseJson(once)), once);
        } catch (error) {
          if (!(error instanceof JsonError)) throw error;
        }
      }
    }),
  );
});
