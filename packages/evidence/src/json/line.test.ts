import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { canonicalSorted } from './canonical.ts';
import { JsonError } from './error.ts';
import { readJsonLine } from './line.ts';
import { writeNatively } from './native.ts';
import { parseJson } from './parse.ts';
import { isObject, type JsonObject, type JsonValue } from './value.ts';

const MANY = 1_000_000;

function strictly(line: Uint8Array, items: number): unknown {
  try {
    const value = parseJson(line, { items });
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    throw error;
  }
}

function asLine(line: Uint8Array, items: number): unknown {
  try {
    return readJsonLine(line, items)?.value ?? null;
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    throw error;
  }
}

const ODD = ['{"a":1.0}', '{"a":1e2}', '{"a":-0}', '{"a":9007199254740992}', '{"a":1.5}', '{"a":1e999}', '{"a":01}'];
const DOUBLED = ['{"a":1,"a":1}', '{"b":{"a":1,"a":2}}', '{"a":1,"\\u0061":2}', '{"__proto__":1,"__proto__":2}'];
const WRITTEN_OTHERWISE = ['{"a": 1}', ' {"a":1}', '{"a":1} ', '{"a":"\\/"}', '{"a":"\\u0041"}', '{"a":"\\u000A"}'];
const SURROGATES = [
  '{"a":"\\ud800"}',
  '{"a":"\\ud83d\\ude00"}',
  '{"a":"\\\\ud800"}',
  '{"a":"\u{1f600}"}',
  '{"\\udc00":1}',
];
const OTHERS = [
  '',
  'null',
  '[]',
  '"a"',
  '{',
  '{"a":1}{}',
  '{"a":"\x7f"}',
  '{"toJSON":1}',
  '{"2":1,"10":2}',
  '\ufeff{}',
];
const PROTOTYPES = ['{"__proto__":{"a":1}}', '{"constructor":{"prototype":1}}', '{"hasOwnProperty":1}'];
const DEEP = [63, 64, 65, 127, 128, 129, 5000].map((depth) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`);
const LONG = [65_000, 70_000].map((length) => `{"a":"${'x'.repeat(length)}"}`);

test('a line is read as the strict parser reads it, whatever it is', () => {
  const texts = [...ODD, ...DOUBLED, ...WRITTEN_OTHERWISE, ...SURROGATES, ...OTHERS, ...PROTOTYPES, ...DEEP, ...LONG];
  for (const text of texts) {
    const line = new TextEncoder().encode(text);
    assert.deepEqual(asLine(line, MANY), strictly(line, MANY), text.slice(0, 80));
  }
});

const value = fc.jsonValue({ depthSize: 'medium' });
const place = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), deed: fc.constantFrom(0, 1, 2) });

/** The line with a byte replaced, put in or taken out at each place. */
function altered(line: Uint8Array, places: { at: number; byte: number; deed: number }[]): Uint8Array {
  const bytes = [...line];
  for (const { at, byte, deed } of places)
    bytes.splice(at % (bytes.length + 1), deed === 1 ? 0 : 1, ...(deed === 2 ? [] : [byte]));
  return Uint8Array.from(bytes);
}

test('any line, also a damaged one, is read as the strict parser reads it, with the same bound on values', () => {
  const object = fc.dictionary(fc.string(), value);
  fc.assert(
    fc.property(
      object,
      fc.boolean(),
      fc.array(place, { maxLength: 2 }),
      fc.nat(12),
      (content, sorted, places, items) => {
        const text = JSON.stringify(content);
        const written = sorted ? sortedOr(text) : text;
        const line = altered(new TextEncoder().encode(written), places);
        assert.deepEqual(asLine(line, MANY), strictly(line, MANY));
        assert.deepEqual(asLine(line, items), strictly(line, items));
      },
    ),
    { numRuns: 1500 },
  );
});

/** The sorted form of what `text` says; `text` itself where it says something that has none. */
function sortedOr(text: string): string {
  try {
    return canonicalSorted(parseJson(text));
  } catch (error) {
    if (error instanceof JsonError) return text;
    throw error;
  }
}

test('a line is called canonical only if it is the sorted canonical form of its value', () => {
  const keys = fc.constantFrom('a', 'b', 'B', '10', '2', 'é', '\x7f', '', 'aa');
  const leaf = fc.oneof(fc.integer(), fc.constantFrom<JsonValue>(null, true, 'a', 'é', '\x7f', '\n', '"', '\\', '/'));
  const { object } = fc.letrec<{ object: Record<string, JsonValue>; any: JsonValue }>((tie) => ({
    object: fc.dictionary(keys, tie('any'), { maxKeys: 4 }),
    any: fc.oneof({ depthSize: 'small' }, leaf, tie('object'), fc.array(tie('any'), { maxLength: 3 })),
  }));
  let called = 0;
  fc.assert(
    fc.property(object, fc.boolean(), (content, sorted) => {
      const text = sorted ? canonicalSorted(content) : JSON.stringify(content);
      const line = encodeUtf8(text);
      const { canonical } = readJsonLine(line, MANY) ?? assert.fail();
      if (canonical === null) return;
      called++;
      assert.equal(canonical.text, canonicalSorted(parseJson(line)));
      assert.equal(canonical.text, text);
      assert.equal(canonical.bytes, line);
    }),
    { numRuns: 800 },
  );
  assert.ok(called > 200, 'most sorted lines are recognised');
});

test('what the engine writes instead of us is the sorted canonical form', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('é', '\x7f', '\n', '"', '\\', '\u{1f600}'));
  const number = fc.oneof(fc.maxSafeInteger(), fc.constantFrom('1.5', '-0', '1e2', '9007199254740993').map(parseJson));
  const { object } = fc.letrec<{ object: JsonObject; any: JsonValue }>((tie) => ({
    object: fc.dictionary(text, tie('any'), { maxKeys: 4 }),
    any: fc.oneof({ depthSize: 'small' }, text, number, tie('object'), fc.array(tie('any'), { maxLength: 3 })),
  }));
  let written = 0;
  fc.assert(
    fc.property(object, fc.boolean(), (content, sorted) => {
      const value = sorted ? (parseJson(canonicalSorted(content)) as JsonObject) : content;
      const native = writeNatively(value);
      if (native === null) return;
      written++;
      assert.equal(native, canonicalSorted(value));
    }),
    { numRuns: 800 },
  );
  assert.ok(written > 200, 'most values in order are written so');
});

test('values in a line are counted as the parser counts them', () => {
  for (const [text, count] of [
    ['{}', 1],
    ['{"a":[1,{"b":null}],"c":"x"}', 6],
    ['{"a":1.5,"b":[[]]}', 4],
  ] as const) {
    const line = encodeUtf8(text);
    assert.equal(readJsonLine(line, count)?.items, count);
    assert.throws(() => readJsonLine(line, count - 1), { code: 'TOO_MANY_ITEMS' });
  }
});
