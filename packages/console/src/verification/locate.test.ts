import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GivenFile, Place } from './given-file.ts';
import { bytesAt, spanOf } from './locate.ts';

const fileOf = (text: string | Uint8Array<ArrayBuffer>): GivenFile => ({
  id: 7,
  name: 'a.json',
  bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text,
});

function textAt(text: string, form: Place['form'], ...path: Place['path']): string | null {
  const bytes = bytesAt([fileOf(text)], { file: 7, form, path });
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** Every path into a value, with what is there. */
function pathsOf(value: unknown, path: (string | number)[] = []): [path: (string | number)[], value: unknown][] {
  const inner = Array.isArray(value)
    ? value.flatMap((item, i) => pathsOf(item, [...path, i]))
    : typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))
      : [];
  return [[path, value], ...inner];
}

test('every value of a JSON text is found as it was written, however it was written', () => {
  const samples = fc.tuple(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 1, '\t'));
  fc.assert(
    fc.property(samples, ([value, indent]) => {
      const text = JSON.stringify(value, null, indent);
      for (const [path, expected] of pathsOf(JSON.parse(text))) {
        const found = textAt(text, 'json', ...path);
        assert.deepEqual(JSON.parse(found ?? ''), expected);
        assert.equal(found?.trim(), found);
      }
    }),
    { numRuns: 200 },
  );
});

test('member names are compared as what they stand for, and what is not there is not found', () => {
  assert.equal(textAt('{"x":{"\\u0061":1, "b" : [2 , 3.10]}}', 'json', 'x', 'a'), '1');
  assert.equal(textAt('{"x":{"\\u0061":1, "b" : [2 , 3.10]}}', 'json', 'x', 'b', 1), '3.10');
  assert.equal(textAt('{"a":"}\\"]"}', 'json', 'a'), '"}\\"]"');
  for (const path of [['y'], ['x', 'c'], ['x', 'b', 2], ['x', 0], ['x', 'b', 'length'], ['x', 'a', 'a']] as const) {
    assert.equal(textAt('{"x":{"a":1,"b":[2,3]}}', 'json', ...path), null, path.join('.'));
  }
  assert.equal(bytesAt([fileOf('{}')], { file: 8, form: 'file', path: [] }), null);
});

test('a line is found by its number, a part of it by its path, and a base64 text as the bytes it stands for', () => {
  const lines = '{"a":1}\n{"a":"two"}\n{"a":3}';
  assert.equal(textAt(lines, 'line', 0), '{"a":1}');
  assert.equal(textAt(lines, 'line', 1, 'a'), '"two"');
  assert.equal(textAt(lines, 'line', 2), '{"a":3}');
  assert.equal(textAt(lines, 'line', 3), null);
  assert.equal(textAt(lines, 'file'), lines);
  assert.equal(textAt('{"data":"aGk_"}', 'base64', 'data'), 'hi?');
  assert.equal(textAt('{"data":"-----BEGIN X"}', 'base64', 'data'), '"-----BEGIN X"');
  assert.equal(textAt('{"data":"aGkab"}', 'base64', 'data'), '"aGkab"');
});

test('bytes of any kind give a place inside the file or none, and never an error', () => {
  const soup = fc.array(fc.constantFrom(...'{}[]",:\\ a1\n'), { maxLength: 60 }).map((chars) => chars.join(''));
  const path = fc.array(fc.oneof(fc.constantFrom('a', '1', ''), fc.nat(3)), { maxLength: 4 });
  fc.assert(
    fc.property(soup, path, fc.constantFrom('file', 'json', 'line', 'base64'), (text, steps, form) => {
      const { bytes } = fileOf(text);
      const span = spanOf(bytes, { file: 7, form, path: steps });
      assert.ok(span === null || (span.start >= 0 && span.start <= span.end && span.end <= bytes.length));
      bytesAt([fileOf(text)], { file: 7, form, path: steps });
    }),
    { numRuns: 2000 },
  );
});
