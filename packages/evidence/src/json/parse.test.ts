import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../tests/shared.ts';
import { JsonError, type JsonErrorCode, JsonNumber, type JsonObject, parseJson, stringifyJson } from '../index.ts';

function refusal(input: Uint8Array | string, limits = {}): JsonErrorCode | null {
  try {
    parseJson(input, limits);
    return null;
  } catch (error) {
    if (error instanceof JsonError) return error.code;
    throw error;
  }
}

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))));

test('JSONTestSuite: what must be accepted is, what must be refused is, and the rest never crashes', (t) => {
  const folder = sharedPath('datasets', 'json-test-suite', 'test_parsing');
  if (folder === null) return t.skip('the JSONTestSuite is not there');
  const names = readdirSync(folder);
  const accepted = names.filter((name) => refusal(readFileSync(join(folder, name))) === null);
  const valid = names.filter((name) => name.startsWith('y_') && !DUPLICATES.includes(name));
  assert.deepEqual(
    accepted.filter((name) => name.startsWith('y_')),
    valid,
  );
  assert.deepEqual(
    accepted.filter((name) => name.startsWith('n_')),
    [],
  );
  for (const name of DUPLICATES) assert.equal(refusal(readFileSync(join(folder, name))), 'DUPLICATE_KEY');
});

/** Valid by RFC 8259, and refused here on purpose. */
const DUPLICATES = ['y_object_duplicated_key.json', 'y_object_duplicated_key_and_value.json'];

test('a duplicate member is refused at any depth, also when one name is written with escapes [ATK-11]', () => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"x":{"name":"safe","b":0,"n\\u0061me":"rm"}}]',
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
  ]) {
    assert.equal(refusal(text), 'DUPLICATE_KEY', text);
  }
  assert.equal(refusal('[{"a":1},{"a":2}]'), null);
});

test('member names that mean something to JavaScript are only data', () => {
  const value = parseJson('{"__proto__":{"admin":true},"constructor":1,"toString":2}') as JsonObject;
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(value.admin, undefined);
  assert.equal(stringifyJson(value), '{"__proto__":{"admin":true},"constructor":1,"toString":2}');
});

test('bytes that are not UTF-8, a byte order mark and unpaired surrogates are refused, not repaired [ATK-35]', () => {
  assert.equal(refusal(bytes('"', [0xff], '"')), 'ENCODING');
  assert.equal(refusal(bytes('"', [0xed, 0xa0, 0x80], '"')), 'ENCODING');
  assert.equal(refusal(bytes('"', [0xc0, 0xaf], '"')), 'ENCODING');
  assert.equal(refusal(bytes([0xef, 0xbb, 0xbf], '{}')), 'ENCODING');
  assert.equal(refusal('\ufeff{}'), 'ENCODING');
  for (const text of ['"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', '"\\ud800\\ud800"', '{"\\udfff":1}', '"\ud800"']) {
    assert.equal(refusal(text), 'LONE_SURROGATE', text);
  }
  assert.equal(parseJson('"\\ud83d\\ude00"'), '😀');
});

test('a number stays what was written: a safe integer is a number, all others keep their lexeme [ATK-35]', () => {
  for (const [text, expected] of [
    ['0', 0],
    ['-7', -7],
    ['9007199254740991', 9007199254740991],
    ['-9007199254740991', -9007199254740991],
  ] as const) {
    assert.equal(parseJson(text), expected);
  }
  for (const text of [
    '-0',
    '1.0',
    '1e3',
    '9007199254740992',
    '9007199254740993',
    '-9007199254740992',
    '1e300',
    '0.1',
  ]) {
    const value = parseJson(text);
    assert.ok(value instanceof JsonNumber, text);
    assert.equal(value.lexeme, text);
    assert.equal(stringifyJson(value), text);
  }
});

test('every limit is kept, and a limit can be met exactly [ATK-14]', () => {
  assert.equal(refusal('[[1]]', { depth: 2 }), null);
  assert.equal(refusal('[[[1]]]', { depth: 2 }), 'TOO_DEEP');
  assert.equal(refusal('[1,2]', { items: 3 }), null);
  assert.equal(refusal('[1,2,3]', { items: 3 }), 'TOO_MANY_ITEMS');
  assert.equal(refusal('12345', { numberLength: 5 }), null);
  assert.equal(refusal('123456', { numberLength: 5 }), 'NUMBER_TOO_LONG');
  assert.equal(refusal('1e308'), null);
  assert.equal(refusal('-1e309'), 'NUMBER_RANGE');
  assert.equal(refusal(`1${'0'.repeat(400)}`), null, 'an integer has no range, only a length');
  assert.equal(refusal('"é"', { bytes: 4 }), null);
  assert.equal(refusal('"é"', { bytes: 3 }), 'TOO_LARGE');
  assert.equal(refusal('"😀"', { bytes: 6 }), null);
  assert.equal(refusal('"😀"', { bytes: 5 }), 'TOO_LARGE');
  assert.equal(refusal(bytes('"é"'), { bytes: 3 }), 'TOO_LARGE');
});

test('nesting is bounded whatever the caller asks for, so the stack cannot overflow [ATK-14]', () => {
  assert.equal(refusal('['.repeat(100_000), { depth: 1_000_000 }), 'TOO_DEEP');
  assert.equal(refusal('{"a":'.repeat(100_000), { depth: Number.POSITIVE_INFINITY }), 'TOO_DEEP');
});

test('what only looks like JSON is refused', () => {
  for (const text of [
    '{a":1}',
    '{"a"1}',
    '{"a":1 "b":2}',
    '[1 2]',
    '[1,]',
    '[,1]',
    '{"a":1,}',
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    'nul',
    '"\\x"',
    '"\\u12G4"',
    '"\t"',
    '"a',
    '[1}',
    '{} {}',
    '',
  ]) {
    assert.equal(refusal(text), 'SYNTAX', text);
  }
});

test('an error says where', () => {
  assert.throws(() => parseJson('{"a":tru}'), { name: 'JsonError', code: 'SYNTAX', offset: 5 });
  assert.throws(() => parseJson('{"a":1,"a":2}'), { code: 'DUPLICATE_KEY', offset: 7 });
});

test('any JSON that JavaScript writes is read back the same', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      if (!text.isWellFormed() || /\\ud[89a-f]/.test(text)) return;
      assert.deepEqual(JSON.parse(stringifyJson(parseJson(text))), JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

test('no input makes the parser throw anything but its declared error', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u',
    'd800',
    '-',
    '0',
    '1',
    '.',
    'e',
    'true',
    ' ',
    'a',
    '\u0000',
  );
  const soup = fc.array(piece, { maxLength: 40 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), soup), (text) => void refusal(text)),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (input) => void refusal(input)),
    { numRuns: 1000 },
  );
});

test('what the parser accepts, JavaScript accepts too, with the same meaning', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"b"',
    '0',
    '-1',
    '2.5',
    '1e2',
    'null',
    'true',
    ' ',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      if (refusal(text) === null)
        assert.equal(JSON.stringify(JSON.parse(text)), JSON.stringify(JSON.parse(stringifyJson(parseJson(text)))));
    }),
    { numRuns: 3000 },
  );
});
