import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalManifest, canonicalSorted, JsonError, parseJson, sha256Hex, stringifyJson } from '../index.ts';

const amc = (text: string): string => canonicalManifest(parseJson(text));

test('strings and names are NFC, U+007F is escaped, null members are dropped: the hash of the reference [C-10] [ATK-35]', () => {
  const text = '{"b":null,"a":"e\u0301\u007f"}';
  assert.equal(amc(text), '{"a":"\u00e9\\u007f"}');
  assert.equal(sha256Hex(amc(text)), '6f11da155659d93d04efe1c86382082dd107605ef2a49e8ce4ed21b514d37e9d');
  assert.equal(amc('{"e\u0301":1}'), '{"\u00e9":1}');
});

test('floats that are integers below 10^15 print as integers, others as Python prints them [C-10]', () => {
  const text = '[2.0,1e-7,1e21,1e16,123456789.5,0.5,1e15,-0.0]';
  assert.equal(amc(text), '[2,1e-07,1e+21,1e+16,123456789.5,0.5,1000000000000000.0,0]');
  assert.equal(amc('[9007199254740993,-0,1e3,-2.0,999999999999999.0]'), '[9007199254740993,0,1000,-2,999999999999999]');
});

test('names are in code point order as they were before normalisation [C-10]', () => {
  assert.equal(amc('{"\u{10000}":1,"\uffff":2,"z":3}'), '{"z":3,"\uffff":2,"\u{10000}":1}');
  // Composed it would come after z, and as written it comes before.
  assert.equal(amc('{"z":1,"e\u0301":2}'), '{"\u00e9":2,"z":1}');
});

test('nulls in arrays stay, nulls in objects go', () => {
  assert.equal(amc('{"A":null,"B":[null,{"C":null}]}'), '{"B":[null,{}]}');
});

test('control characters and line separators are escaped, slashes and angle brackets are not', () => {
  assert.equal(amc('{"a":"<\u2028\u0085/>"}'), '{"a":"<\\u2028\\u0085/>"}');
  assert.equal(
    amc('"\\b\\t\\n\\f\\r\\u0001\\u001f\\"\\\\\u009f\u00a0\u2029"'),
    '"\\b\\t\\n\\f\\r\\u0001\\u001f\\"\\\\\\u009f\u00a0\\u2029"',
  );
});

test('64 levels are written, 65 are refused', () => {
  const nested = (levels: number): string => `${'['.repeat(levels)}1${']'.repeat(levels)}`;
  assert.equal(amc(nested(64)), nested(64));
  assert.throws(() => amc(nested(65)), { name: 'JsonError', code: 'TOO_DEEP' });
});

test('what the form cannot carry is refused, not repaired [ATK-35]', () => {
  assert.throws(() => canonicalManifest('\ud800'), { code: 'LONE_SURROGATE' });
  assert.throws(() => canonicalManifest({ '\ud800': 1 }), { code: 'LONE_SURROGATE' });
  assert.throws(() => canonicalManifest(0.5), { code: 'UNREPRESENTABLE' });
  assert.throws(() => amc('{"\u00e9":1,"e\u0301":2}'), { code: 'DUPLICATE_KEY' });
});

test('on printable ASCII, integers and no nulls it agrees with the sorted form', () => {
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
    fc.property(value, (sample) => assert.equal(canonicalManifest(sample as never), canonicalSorted(sample as never))),
  );
});

test('of text that is normalised already it is its own canonical form', () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false }), (text) => {
      try {
        const read = stringifyJson(parseJson(text));
        // Names that NFC changes are sorted as they were before, so a second pass may sort them elsewhere.
        if (read !== read.normalize('NFC')) return;
        const once = amc(read);
        assert.equal(amc(once), once);
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
      }
    }),
  );
});
