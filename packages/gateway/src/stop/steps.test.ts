import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Windows } from './steps.ts';

test('a window holds what came within its length and at most a step more, and says when there is room again', () => {
  const event = fc.record({ later: fc.integer({ min: 0, max: 40 }), amount: fc.integer({ min: 0, max: 9 }) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), fc.integer({ min: 1, max: 40 }), (events, wanted) => {
      let now = 0;
      const windows = new Windows(60, 1, () => now);
      const seen: { at: number; amount: number }[] = [];
      for (const { later, amount } of events) {
        now += later;
        windows.of('k').add(windows.now, 0, amount);
        seen.push({ at: now, amount });
      }
      const held = (at: number): number =>
        seen.filter((each) => each.at >= at - 60).reduce((sum, each) => sum + each.amount, 0);
      const window = windows.of('k');
      const total = window.total(windows.now, 0);
      assert.equal(total, held(now));
      const free = window.freedIn(windows.now, 0, wanted);
      if (total < wanted) assert.equal(free, null);
      else {
        assert.ok(total - held(now + (free ?? 0)) >= wanted);
        assert.ok((free ?? 0) === 0 || total - held(now + (free ?? 0) - 1) < wanted);
      }
    }),
    { numRuns: 100 },
  );
});

test('a million names take no more memory than their bound, and put nobody else’s count back [D-06]', () => {
  let now = 0;
  const windows = new Windows(60_000, 1, () => now, 1000);
  windows.of('victim').add(windows.now, 0, 7);
  for (let name = 0; name < 1_000_000; name += 1) {
    windows.of(`flood ${name}`).add(windows.now, 0, 1);
    if (name % 50_000 === 0) now += 1000;
  }
  assert.ok(windows.size <= 1001);
  assert.equal(windows.of('victim').total(windows.now, 0), 7);
  const beyond = windows.of('one more').total(windows.now, 0);
  assert.ok(beyond > 900_000, 'those that are too many count together');
  now += 61_001 + 60_000;
  windows.of('later').add(windows.now, 0, 1);
  assert.ok(windows.size <= 2, 'what is past is forgotten');
});
