import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import { Scope } from './scope.ts';

test('the clock stands still for as long as anybody stops it, and goes on with what was left [MCP26-32]', async () => {
  const { timers, due, advance, fire } = manualTimers();
  const scope = new Scope(new AbortController().signal, 5000, timers);
  advance(1000);
  const [first, second] = [scope.pause(), scope.pause()];
  advance(60_000);
  assert.deepEqual([scope.remainingMs, due()], [4000, []]);
  first();
  first();
  assert.deepEqual(due(), []);
  second();
  assert.deepEqual([scope.remainingMs, due()], [4000, [4000]]);
  await fire(4000);
  assert.equal(scope.ended?.code, 'UPSTREAM_TIMEOUT');
});

test('a scope that ended while its clock stood still leaves no timer behind', () => {
  const { timers, due } = manualTimers();
  const controller = new AbortController();
  const scope = new Scope(controller.signal, 5000, timers);
  const resume = scope.pause();
  controller.abort();
  resume();
  assert.equal(scope.ended?.code, 'CALL_CANCELLED');
  assert.deepEqual(due(), []);
});
