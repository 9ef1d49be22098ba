import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flipAt, flipped } from './flip.ts';
import type { GivenFile } from './given-file.ts';

const fileOf = (text: string): GivenFile => ({ id: 1, name: 'a.json', bytes: new TextEncoder().encode(text) });
const place = { file: 1, form: 'json', path: ['x'] } as const;

test('one bit of one byte inside the text is turned, the file stays JSON, and the given file is not touched', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const file = fileOf(JSON.stringify({ a: 1, x: text, z: 2 }));
      const flip = flipAt([file], place);
      if (flip === null) return assert.doesNotMatch(text, /[0-9A-Za-z]/);
      const [changed] = flipped([file], flip);
      assert.ok(changed);
      const differing = [...file.bytes.keys()].filter((i) => file.bytes[i] !== changed.bytes[i]);
      assert.deepEqual(differing, [flip.offset]);
      const bits = (file.bytes[flip.offset] ?? 0) ^ (changed.bytes[flip.offset] ?? 0);
      assert.ok(bits === 1 || bits === 2);
      assert.equal(file.bytes[flip.offset], flip.before);
    }),
  );
});

test('text that is a digest stays one, so that the check that fails is not the parser’s', () => {
  const file = fileOf(JSON.stringify({ x: `sha256:${'0f'.repeat(32)}` }));
  const [changed] = flipped([file], flipAt([file], place));
  const { x } = JSON.parse(new TextDecoder().decode(changed?.bytes)) as { x: string };
  assert.match(x, /^sha256:[0-9a-f]{64}$/);
  assert.notEqual(x, `sha256:${'0f'.repeat(32)}`);
});

test('where there is nothing to turn, nothing is', () => {
  const file = fileOf('{"y":"abc"}');
  assert.equal(flipAt([file], place), null);
  assert.equal(flipAt([], place), null);
  assert.deepEqual(flipped([file], null), [file]);
});
