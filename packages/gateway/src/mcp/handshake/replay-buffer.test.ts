import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { ReplayBudget, ReplayBuffer } from './replay-buffer.ts';

/** A stream that counts what is kept of it. */
class Counted {
  kept = 0;
  forgetOldest(): void {
    this.kept -= 1;
  }
}

const MB = 1_048_576;

function keep(buffer: ReplayBuffer, stream: Counted, bytes: number): boolean {
  const kept = buffer.keep(stream, bytes);
  if (kept) stream.kept += 1;
  return kept;
}

test('a session keeps its newest events, bounded in number and bytes [G5]', () => {
  const buffer = new ReplayBuffer(new ReplayBudget(1000 * MB), new ManualTime());
  const [old, recent] = [new Counted(), new Counted()];
  for (let i = 0; i < 256; i++) assert.ok(keep(buffer, old, 1));
  assert.ok(keep(buffer, recent, 1));
  assert.deepEqual([old.kept, recent.kept], [255, 1]);
  assert.ok(keep(buffer, recent, 4 * MB));
  assert.deepEqual([old.kept, recent.kept], [0, 1]);
  assert.equal(keep(buffer, recent, 4 * MB + 1), false);
  assert.equal(recent.kept, 0);
});

test('what one session keeps never makes another forget, and is given back [G5]', () => {
  const time = new ManualTime();
  const budget = new ReplayBudget(5 * MB);
  const [mine, theirs] = [new ReplayBuffer(budget, time), new ReplayBuffer(budget, time)];
  const [own, other] = [new Counted(), new Counted()];
  assert.ok(keep(mine, own, 4 * MB));
  assert.ok(keep(theirs, other, MB));
  assert.ok(keep(theirs, other, MB), 'its own oldest makes room');
  assert.equal(keep(theirs, other, 2 * MB), false);
  assert.deepEqual([own.kept, other.kept], [1, 0]);
  time.advance(1000);
  mine.expire(1000);
  assert.equal(own.kept, 0);
  assert.ok(keep(theirs, other, 4 * MB));
  theirs.clear();
  assert.ok(budget.take(5 * MB));
});

test('whatever is kept and forgotten, the budget comes out even', () => {
  const steps = fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 3 * MB }), fc.nat(9)), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (all) => {
      const time = new ManualTime();
      const budget = new ReplayBudget(8 * MB);
      const buffers = [0, 1, 2].map(() => new ReplayBuffer(budget, time));
      const streams = [0, 1, 2].map(() => new Counted());
      for (const [which, bytes, what] of all) {
        const [buffer, stream] = [buffers[which], streams[which]];
        if (buffer === undefined || stream === undefined) continue;
        if (what === 0) buffer.clear();
        else if (what === 1) time.advance(500);
        else if (what === 2) buffer.expire(1000);
        else keep(buffer, stream, bytes);
        assert.ok(stream.kept >= 0);
      }
      for (const buffer of buffers) buffer.clear();
      assert.deepEqual(
        streams.map(({ kept }) => kept),
        [0, 0, 0],
      );
      assert.ok(budget.take(8 * MB));
    }),
    { numRuns: 200 },
  );
});
