import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepare } from './prepared.ts';

const PERMIT_ALL = 'permit (principal, action, resource);';

test('a released place is taken again, so that loading for ever needs no more places', () => {
  const held = prepare({ policy0: PERMIT_ALL }, null);
  const ids = new Set<string>();
  for (let round = 0; round < 50; round += 1) {
    const prepared = prepare({ policy0: PERMIT_ALL }, null);
    ids.add(prepared.policySetId);
    prepared.release();
  }
  assert.equal(ids.size, 1);
  assert.equal(ids.has(held.policySetId), false);
  held.release();
});

test('no policy of a bundle can make its place look free', () => {
  const held = prepare({ free: PERMIT_ALL, policy0: PERMIT_ALL, 'free-place': PERMIT_ALL }, null);
  const other = prepare({ policy0: PERMIT_ALL }, null);
  assert.notEqual(other.policySetId, held.policySetId);
  other.release();
  held.release();
});
