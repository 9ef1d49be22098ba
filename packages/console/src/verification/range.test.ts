import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parts } from './range.ts';

test('a range is cut into few parts that follow each other and leave nothing out', () => {
  fc.assert(
    fc.property(fc.nat(2_000_000), fc.nat(2_000_000), (start, length) => {
      const cut = parts({ start, end: start + length });
      assert.ok(cut.length <= 250);
      let at = start;
      for (const part of cut) {
        assert.equal(part.start, at);
        assert.ok(part.end > part.start);
        at = part.end;
      }
      assert.equal(at, start + length);
    }),
  );
});

test('a short range has a part for each entry, ten thousand entries a hundred groups of a hundred', () => {
  assert.equal(parts({ start: 1, end: 251 }).length, 250);
  const groups = parts({ start: 0, end: 10_000 });
  assert.equal(groups.length, 100);
  assert.deepEqual(groups[1], { start: 100, end: 200 });
});
