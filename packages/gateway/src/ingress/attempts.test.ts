import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { AttemptLimit } from './attempts.ts';

test('a million addresses are not remembered: the oldest is forgotten first [D-06] [AUTHZ-14]', () => {
  const limit = new AttemptLimit(20, new ManualTime());
  for (let i = 0; i < 20; i++) assert.equal(limit.exceeded('oldest'), false);
  assert.equal(limit.exceeded('oldest'), true);
  for (let i = 0; i < 4095; i++) limit.exceeded(`address-${i}`);
  assert.equal(limit.exceeded('oldest'), true);
  limit.exceeded('one more');
  assert.equal(limit.exceeded('oldest'), false);
});
