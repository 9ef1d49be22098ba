import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import { GatewayError } from '../errors.ts';
import { Revival } from './revival.ts';

function reviving() {
  const { timers, due, fire } = manualTimers();
  const state = { wanted: true, up: false, attempts: 0 };
  const connect = async () => {
    state.attempts += 1;
    if (!state.up) throw new GatewayError('UPSTREAM_UNAVAILABLE', 'down');
  };
  const revival = new Revival(timers, connect, () => state.wanted);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const passes = async (ms: number) => {
    await fire(ms);
    await settled();
  };
  return { revival, state, due, passes };
}

test('a server is connected to again after growing pauses, once at a time, until it is there', async () => {
  const { revival, state, due, passes } = reviving();
  revival.start();
  revival.start();
  for (const ms of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
    assert.deepEqual(due(), [ms]);
    await passes(ms);
  }
  state.up = true;
  await passes(60_000);
  assert.deepEqual([state.attempts, due()], [9, []]);
  revival.start();
  assert.deepEqual(due(), [1000]);
});

test('nothing is connected to that nobody waits for, or after the end', async () => {
  const { revival, state, due, passes } = reviving();
  state.wanted = false;
  revival.start();
  assert.deepEqual(due(), []);
  state.wanted = true;
  revival.start();
  state.wanted = false;
  await passes(1000);
  assert.deepEqual([state.attempts, due()], [0, []]);
  state.wanted = true;
  revival.start();
  revival.close();
  revival.start();
  assert.deepEqual(due(), []);
});
