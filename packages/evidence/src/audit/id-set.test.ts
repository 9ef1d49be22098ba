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

test('ids that differ in one digit are different, whichever it is, and so are longer and shorter ones', () => {
  const set = new IdSet();
  const id = '12345678-9abc-4def-8123-456789abcdef';
  for (const other of [id, `${id}0`, `${id}-`]) assert.ok(set.add(other));
  for (const [at, digit] of [...id].entries()) {
    assert.ok(set.add(`${id.slice(0, at)}${id.slice(at + 1)}`));
    if (digit === '-') continue;
    const other = id.slice(0, at) + (digit === '0' ? '1' : '0') + id.slice(at + 1);
    assert.ok(set.add(other), other);
    assert.ok(!set.add(other), other);
  }
});

/** One step of the hash by which ids find their place in the table. */
function step(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

/** A UUID, another for every `number`, that falls on this place in tables of up to 2048 slots. */
function fallingOn(place: number, number: number): string {
  const front = [number, 1, 2];
  let last = 0;
  while ((step(0, last) & 2047) !== place) last++;
  const words = [...front, front.reduce(step, 0) ^ last];
  const hex = words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const many = (length: number, id: (i: number) => string): string[] => Array.from({ length }, (_, i) => id(i));

function holdsAll(ids: readonly string[]): void {
  const set = new IdSet();
  for (const id of ids) assert.ok(set.add(id), id);
  for (const id of ids) assert.ok(!set.add(id), id);
  assert.equal(set.size, ids.length);
}

test('a set of ids holds many', () => {
  holdsAll(many(5000, () => crypto.randomUUID()));
});

test('a set of ids holds more than fit near one place', () => {
  holdsAll(many(3000, (i) => fallingOn(7, i)));
});

test('a set of ids holds what no longer fits near its place when the table grows', () => {
  // At the end of the table the first place is run over; in the larger table its ids come first, and push out others.
  const full = many(64, (i) => fallingOn(1000, i));
  const others = many(600, (i) => fallingOn(100 + i, 1000 + i));
  holdsAll([...full, fallingOn(1040, 64), ...others]);
});
