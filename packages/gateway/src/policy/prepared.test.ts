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
