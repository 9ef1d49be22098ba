import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { FailureLimit } from './failures.ts';

test('a million addresses are not remembered: the oldest is forgotten first [D-06] [AUTHZ-14]', () => {
  const limit = new FailureLimit(new ManualTime());
  for (let i = 0; i < 20; i++) assert.equal(limit.failed('oldest'), false);
  assert.equal(limit.failed('oldest'), true);
  for (let i = 0; i < 4095; i++) limit.failed(`address-${i}`);
  assert.equal(limit.failed('oldest'), true);
  limit.failed('one more');
  assert.equal(limit.failed('oldest'), false);
});
