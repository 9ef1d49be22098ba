import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StartRate } from './start-rate.ts';

test('a caller may start so many sessions at once, and then as many as fit into the minute', () => {
  let now = 0;
  const rate = new StartRate(60, () => now);
  const starts = (subject: string): number => {
    for (let taken = 0; ; taken += 1) {
      try {
        rate.take(subject);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'TOO_MANY_SESSIONS');
        return taken;
      }
    }
  };
  assert.equal(starts('a'), 60);
  assert.equal(starts('b'), 60, 'another caller has a bucket of its own');
  now += 999;
  assert.equal(starts('a'), 0);
  now += 2001;
  assert.equal(starts('a'), 3);
  now += 3_600_000;
  assert.equal(starts('a'), 60, 'a bucket holds no more than a minute');
});
test('callers are forgotten once nothing of theirs is left to count, however many an issuer names [D-06]', () => {
  let now = 0;
  const rate = new StartRate(2, () => now);
  for (let caller = 0; caller < 100_000; caller += 1) {
    if (caller % 100 === 0) now += 1000;
    rate.take(`caller ${caller}`);
  }
  assert.ok(rate.size <= 20_000, `${rate.size}`);
  rate.take('busy');
  rate.take('busy');
  assert.throws(() => rate.take('busy'), /TOO_MANY_SESSIONS/);
});
