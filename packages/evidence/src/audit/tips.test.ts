import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256Hex } from '../crypto/sha256.ts';
import type { ChainEntry } from './chain-entry.ts';
import { GENESIS, Tips } from './tips.ts';

test('the tip of a chain is known for every length that it had, and for no other', () => {
  const tips = new Tips();
  const hashes = Array.from({ length: 3000 }, (_, i) => sha256Hex(String(i)));
  for (const hash of hashes) tips.see({ hash } as ChainEntry);
  assert.equal(tips.length, hashes.length);
  assert.equal(tips.at(0), GENESIS);
  for (const [i, hash] of hashes.entries()) assert.equal(tips.at(i + 1), hash);
  for (const length of [-1, hashes.length + 1, 2 ** 40]) assert.equal(tips.at(length), null);
});
