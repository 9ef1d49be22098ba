import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPAT_MANIFEST, folderOf } from '../../../../tests/support/policy.ts';
import { loadBundle } from './bundle.ts';
import { prepare } from './prepared.ts';

test('a released place is taken again, so that loading for ever needs no more places', async (t) => {
  const bundle = await loadBundle(
    await folderOf(t, {
      'manifest.json': JSON.stringify(COMPAT_MANIFEST),
      'schema.cedarschema': '',
      'p.cedar': 'permit (principal, action, resource);',
    }),
  );
  const held = prepare(bundle);
  const ids = new Set<string>();
  for (let round = 0; round < 50; round += 1) {
    const prepared = prepare(bundle);
    ids.add(prepared.policySetId);
    prepared.release();
  }
  assert.equal(ids.size, 1);
  assert.equal(ids.has(held.policySetId), false);
  held.release();
});
