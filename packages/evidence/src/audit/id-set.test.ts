import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdSet } from './id-set.ts';

const near = fc.constantFrom(
  '00000000-0000-0000-0000-000000000000',
  '00000000-0000-0000-0000-000000000001',
  '00000000-0000-0000-0000-00000000000A',
  '00000000-0000-0000-0000-00000000000a',
  '00000000-0000-0000-0000-00000000000g',
  '00000000-0000-0000-0000-0000000000001',
  '00000000-0000-0000-0000-00000000001',
  '00000000_0000-0000-0000-000000000001',
  '00000000-0000-0000-0000+000000000001',
  '',
  '__proto__',
);

test('a set of ids holds what a set of texts holds', () => {
  const ids = fc.array(fc.oneof({ weight: 3, arbitrary: fc.uuid() }, near, fc.string()), { maxLength: 100 });
  fc.assert(
    fc.property(ids, (some) => {
      const set = new IdSet();
      const texts = new Set<string>();
      for (const id of [...some, ...some]) {
        assert.equal(set.add(id), !texts.has(id), id);
        texts.add(id);
        assert.equal(set.size, texts.size);
      }
    }),
    { numRuns: 200 },
  );
});

test('ids that differ in one digit are different, whichever it is', () => {
  const set = new IdSet();
  const id = '12345678-9abc-4def-8123-456789abcdef';
  assert.ok(set.add(id));
  for (const [at, digit] of [...id].entries()) {
    if (digit === '-') continue;
    const other = id.slice(0, at) + (digit === '0' ? '1' : '0') + id.slice(at + 1);
    assert.ok(set.add(other), other);
    assert.ok(!set.add(other), other);
  }
});

/** A UUID with these words in front that falls on the same place of the table as all others that this makes. */
function colliding(...front: [number, number, number]): string {
  let hash = 0;
  for (const word of front) {
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  const hex = [...front, hash ^ 7].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

test('a set of ids holds many, also such as were made to fall on one place', () => {
  const ids = Array.from({ length: 3000 }, (_, i) => [colliding(i, 1, 2), crypto.randomUUID()]).flat();
  const set = new IdSet();
  for (const id of ids) assert.ok(set.add(id));
  for (const id of ids) assert.ok(!set.add(id));
  assert.equal(set.size, ids.length);
});
