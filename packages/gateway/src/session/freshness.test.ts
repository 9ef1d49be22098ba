import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Freshness } from './freshness.ts';

const HOUR = 3_600_000;

/** Both clocks of a machine, in a test's hand. */
function machine(): {
  wall: number;
  ran: number;
  freshness: Freshness;
  pass(ms: number): void;
} {
  const clocks = {
    wall: 1_790_000_000_000,
    ran: 5,
    freshness: null as unknown as Freshness,
    pass(ms: number): void {
      clocks.wall += ms;
      clocks.ran += ms;
    },
  };
  clocks.freshness = new Freshness({ nowMicros: () => clocks.wall * 1000 }, () => clocks.ran, HOUR);
  return clocks;
}

test('a chain without evidence is never stale, and new evidence is not due', () => {
  const { freshness } = machine();
  freshness.begun('a', freshness.now());
  assert.deepEqual([freshness.due(), freshness.isStale('a'), freshness.isStale('b')], [[], false, false]);
});

test('evidence is renewed by age, each chain once at a time, and tried again after a while', () => {
  const clocks = machine();
  const { freshness } = clocks;
  freshness.begun('a', freshness.now());
  clocks.pass(10 * 60_000);
  freshness.begun('b', freshness.now());
  clocks.pass(35 * 60_000 - 1);
  assert.deepEqual(freshness.due(), []);
  clocks.pass(1);
  assert.deepEqual(freshness.due(), ['a']);
  assert.deepEqual(freshness.due(), [], 'it is being asked');
  clocks.pass(10_000);
  assert.deepEqual(freshness.due(), ['a'], 'the device gave nothing: again');
  freshness.renewed('a', freshness.now());
  clocks.pass(10 * 60_000);
  assert.deepEqual(freshness.due(), ['b']);
  clocks.pass(15 * 60_000);
  assert.deepEqual([freshness.isStale('a'), freshness.isStale('b')], [false, true]);
});

test('what has ended is neither due nor brought back by evidence that comes late', () => {
  const clocks = machine();
  const { freshness } = clocks;
  const asked = freshness.now();
  freshness.begun('a', asked);
  freshness.ended('a');
  freshness.renewed('a', asked);
  clocks.pass(2 * HOUR);
  assert.deepEqual([freshness.due(), freshness.isStale('a')], [[], false]);
});

test('a wall clock that is set back makes no evidence younger, is noticed once, and makes all of it due', () => {
  const clocks = machine();
  const { freshness } = clocks;
  freshness.begun('a', freshness.now());
  clocks.pass(60_000);
  assert.equal(freshness.steppedBack(), 0);
  clocks.pass(1000);
  clocks.wall -= 30 * 60_000;
  assert.equal(freshness.steppedBack(), 30 * 60_000_000);
  assert.deepEqual(freshness.due(), ['a']);
  assert.equal(freshness.steppedBack(), 0, 'said once');
  clocks.ran += HOUR;
  assert.equal(freshness.isStale('a'), true, 'by the clock that never goes back');
});

test('a clock that is merely adjusted is not one that was set back', () => {
  const clocks = machine();
  clocks.pass(1000);
  clocks.wall -= 999;
  assert.equal(clocks.freshness.steppedBack(), 0);
});

test('the time that a machine slept counts, though its other clock stood still', () => {
  const clocks = machine();
  const { freshness } = clocks;
  freshness.begun('a', freshness.now());
  clocks.wall += HOUR;
  assert.equal(freshness.isStale('a'), true);
});
