import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rankOf, sensitivityRanks } from './sensitivity.ts';

test('built-in labels rank as the reference ranks them', () => {
  const ranks = sensitivityRanks();
  const labels = ['public', 'pii', 'confidential', 'hipaa_phi', 'mnpi', 'trade_secret'];
  assert.deepEqual(
    labels.map((label) => rankOf(ranks, label)),
    [0, 1, 2, 3, 3, 3],
  );
});

test('a configured label adds to the vocabulary and cannot lower a built-in one', () => {
  const ranks = sensitivityRanks({ secret: 4, mnpi: 0 });
  assert.equal(rankOf(ranks, 'secret'), 4);
  assert.equal(rankOf(ranks, 'mnpi'), 3);
});

test('an unknown label is an error, never public [D-27]', () => {
  for (const label of ['Public', '', 'unknown', '__proto__', 'constructor']) {
    assert.throws(() => rankOf(sensitivityRanks(), label), { code: 'UNKNOWN_DATA_CLASS' });
  }
});
