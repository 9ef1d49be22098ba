import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainEntry } from '../audit/chain-entry.ts';
import { rollbackProtection } from './rollback.ts';

function found(detail: ChainEntry['detail'], provesCode = false): [string, string] {
  const finding = rollbackProtection({ detail } as ChainEntry, { provesCode });
  return [finding.outcome, finding.detail];
}

test('a counter of the TPM is the word of the gateway, and that of the measured program where that is shown', () => {
  const detail = { rollback_protection: 'tpm-nv' };
  const anchor = 'tpm-nv: a counter of the TPM anchors the store';
  assert.deepEqual(found(detail), ['asserted', `${anchor}, as the gateway says`]);
  assert.deepEqual(found(detail, true), ['proven', `${anchor}, as the measured program wrote`]);
  assert.match(found({ rollback_protection: 'witness' })[1], /^witness: a witness outside the machine/);
});

test('no protection is never more than said, whoever says it', () => {
  const none = ['asserted', 'none: a store that was put back to an older copy would not be noticed'];
  assert.deepEqual(
    [found({ rollback_protection: 'none' }), found({ rollback_protection: 'none' }, true)],
    [none, none],
  );
});

test('what is not said, or not known, is not checked', () => {
  for (const detail of [
    null,
    {},
    { rollback_protection: 1 },
    { rollback_protection: 'magic' },
    { rollback_protection: 'toString' },
  ]) {
    assert.equal(found(detail, true)[0], 'not checked', JSON.stringify(detail));
  }
  assert.equal(rollbackProtection(null, { provesCode: true }).outcome, 'not checked');
});
