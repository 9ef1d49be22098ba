import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { dpopProof, issuerKey } from '../../../../../tests/support/token-issuer.ts';
import { GatewayError } from '../../errors.ts';
import { requireProof } from './dpop.ts';
import { UsedProofs } from './replays.ts';

const overloaded = (error: unknown): boolean => error instanceof GatewayError && error.code === 'OVERLOADED';

test('a proof is known until it could not be accepted any more, by its key', () => {
  const used = new UsedProofs();
  assert.equal(used.use('key', 'a', 0, 90), true);
  assert.equal(used.use('key', 'a', 89, 179), false);
  assert.equal(used.use('other', 'a', 89, 179), true);
  assert.equal(used.use('key', 'a', 90, 180), true);
});

test('the many proofs of one key are refused, not forgotten, and leave room for those of others [D-06]', () => {
  const used = new UsedProofs();
  for (let i = 0; i < 10_000; i += 1) used.use('greedy', `p${i}`, 0, 90);
  assert.throws(() => used.use('greedy', 'one more', 0, 90), overloaded);
  assert.equal(used.use('greedy', 'p0', 0, 90), false, 'still known');
  assert.equal(used.use('other', 'p', 0, 90), true);
  assert.equal(used.use('greedy', 'later', 90, 180), true);
});

test('memory is bounded however many keys there are [D-06]', () => {
  const used = new UsedProofs();
  for (let i = 0; i < 100_000; i += 1) used.use(`k${i}`, 'p', 0, 90);
  assert.throws(() => used.use('another', 'p', 0, 90), overloaded);
});

test('whoever has a bound token without its key fills nothing with proofs of keys made up for it [D-06]', async () => {
  const [holder, stranger] = await Promise.all([issuerKey('holder'), issuerKey('stranger')]);
  const key = await calculateJwkThumbprint(holder.jwk);
  const remembered: string[] = [];
  const deps = { resource: 'https://gateway.example/mcp', used: { use: (by: string) => remembered.push(by) > 0 } };
  for (const by of [stranger, holder]) {
    const proof = await dpopProof(by, 'token', deps.resource, 1_800_000_000);
    const presented = { method: 'POST', headers: (name: string) => (name === 'dpop' ? [proof] : []) };
    const required = requireProof(presented, { token: 'token', key }, deps, 1_800_000_000_000_000);
    await (by === holder ? required : assert.rejects(required, /UNAUTHENTICATED.*by another key/));
  }
  assert.deepEqual(remembered, [key]);
});
