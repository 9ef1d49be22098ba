import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StartRate } from './start-rate.ts';

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
