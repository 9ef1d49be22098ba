import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowMemory } from '../../../../tests/support/flow.ts';
import type { GatewayChain } from '../audit/gateway-chain.ts';
import type { Authority } from '../authority.ts';
import { releasable } from '../inspection/response.ts';
import { Exposures } from '../session/exposure.ts';
import { type Asking, Quarantine } from './quarantine.ts';

const BY = { subject: 'op', source: 'bearer', roles: ['operator'] } as const;
const ASKING: Asking = { owner: 'o', generation: 0, request: 'one', governedBy: 'p c r' };
const AUTHORITY = { policy: { bundleHash: 'p' }, catalog: { hash: 'c' }, inspection: { hash: 'r' } };
const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;

/** A quarantine with answers in it, and a chain whose entries wait for the test. */
async function holding(count: number) {
  const entered: string[] = [];
  const gate: { wait: Promise<void> } = { wait: Promise.resolve() };
  const enter = async (action: string): Promise<void> => {
    await gate.wait;
    entered.push(action);
  };
  const time = { now: 0 };
  const inForce = structuredClone(AUTHORITY);
  const quarantine = new Quarantine({
    settings: { keepMs: 1000, maxItems: 10, maxBytes: 21 },
    chain: { enter } as unknown as GatewayChain,
    exposures: new Exposures([], 1000, flowMemory()),
    monotonic: () => time.now,
    authority: () => inForce as unknown as Authority,
  });
  for (let n = 1; n <= count; n += 1) {
    const about = { method: 'tools/call', item: 'echo', server: 's', sessionId: 'x', findings: [], heldMicros: 0 };
    const whose = { subject: 'agent', exposed: 'agent' };
    await quarantine.hold({ ...ASKING, ...whose, ...about, id: id(n), answer: releasable({ n }) });
  }
  return { quarantine, entered, gate, inForce, time };
}

test('an answer is taken by who asks for the same, under the same, in the same generation, and once', async () => {
  const { quarantine } = await holding(1);
  assert.equal(quarantine.take(ASKING), null, 'nobody released it');
  await quarantine.release(BY, id(1), 'seen');
  for (const other of [{ owner: 'other' }, { generation: 1 }, { request: 'two' }, { governedBy: 'p c s' }])
    assert.equal(quarantine.take({ ...ASKING, ...other }), null, JSON.stringify(other));
  assert.equal(quarantine.take(ASKING)?.id, id(1));
  assert.equal(quarantine.take(ASKING), null);
});

test('of several that were released the oldest is taken first', async () => {
  const { quarantine } = await holding(2);
  await quarantine.release(BY, id(2), 'seen');
  await quarantine.release(BY, id(1), 'seen');
  assert.deepEqual([quarantine.take(ASKING)?.id, quarantine.take(ASKING)?.id], [id(1), id(2)]);
});

test('while an operator discards an answer nobody takes it, and nobody else does anything about it', async () => {
  const { quarantine, entered, gate } = await holding(1);
  await quarantine.release(BY, id(1), 'seen');
  const { promise, resolve } = Promise.withResolvers<void>();
  gate.wait = promise;
  const discarding = quarantine.discard(BY, id(1), 'no');
  assert.equal(quarantine.take(ASKING), null);
  await assert.rejects(quarantine.discard(BY, id(1), 'no'), { code: 'INVALID_PARAMS' });
  resolve();
  await discarding;
  assert.deepEqual(entered, ['operator.quarantine_release', 'operator.quarantine_discard']);
});

test('what cannot be entered does not happen', async () => {
  const { quarantine, gate } = await holding(1);
  gate.wait = Promise.reject(new Error('the log cannot record'));
  await assert.rejects(quarantine.release(BY, id(1), 'seen'), /cannot record/);
  gate.wait = Promise.resolve();
  assert.equal(quarantine.take(ASKING), null);
  await quarantine.release(BY, id(1), 'seen');
  assert.equal(quarantine.take(ASKING)?.released?.operator, 'op');
});

test('what was held under other rules is released to nobody, also before it is discarded', async () => {
  for (const change of ['policy', 'catalog', 'inspection'] as const) {
    const { quarantine, entered, inForce } = await holding(1);
    Object.assign(inForce[change], { bundleHash: 'other', hash: 'other' });
    await assert.rejects(quarantine.release(BY, id(1), 'seen'), { code: 'INVALID_PARAMS', detail: /under another/ });
    assert.deepEqual(entered, []);
    await quarantine.activated();
    assert.deepEqual(quarantine.list(), { items: [] });
  }
});

test('what is held longer than it may be is not there any more, also before it is discarded', async () => {
  const { quarantine, time } = await holding(1);
  await quarantine.release(BY, id(1), 'seen');
  time.now = 1000;
  assert.deepEqual(quarantine.list(), { items: [] });
  assert.equal(quarantine.take(ASKING), null);
  await assert.rejects(quarantine.show(BY, id(1)), { code: 'INVALID_PARAMS' });
});

test('the oldest makes room where the answers are too large together', async () => {
  // Each has seven bytes.
  const { quarantine, entered } = await holding(4);
  assert.deepEqual(entered, ['quarantine.discarded']);
  assert.deepEqual(
    (quarantine.list().items as { id: string }[]).map((item) => item.id),
    [id(2), id(3), id(4)],
  );
});
