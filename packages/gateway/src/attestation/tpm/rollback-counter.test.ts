import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import { tempDir } from '../../audit/fixtures.test.ts';
import { GatewayError } from '../../errors.ts';
import type { Tpm } from './api.ts';
import { TPMA_NV } from './constants.ts';
import { counterIndex, tpmCounter } from './rollback-counter.ts';
import { openTpm } from './tpm.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

function present(t: TestContext): { device: SoftwareTpm; tpm: Tpm } | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  return device && { device, tpm: openTpm(device.address) };
}

test('a counter only goes up, by one, and is where it was after a restart of the TPM', async (t) => {
  const found = present(t);
  if (found === null) return;
  const counter = tpmCounter(found.tpm, counterIndex('/data/a'));
  assert.deepEqual(await counter.state(), { kind: 'undefined' });
  await counter.define();
  assert.deepEqual(await counter.state(), { kind: 'unwritten' });
  await counter.increment();
  const first = await counter.state();
  assert.ok(first.kind === 'value');
  await counter.increment();
  found.device.restart();
  assert.deepEqual(await counter.state(), { kind: 'value', value: first.value + 1n });
});

test('one that was deleted and made again stands above what it had', async (t) => {
  const found = present(t);
  if (found === null) return;
  const counter = tpmCounter(found.tpm, counterIndex('/data/b'));
  await counter.define();
  for (let i = 0; i < 5; i += 1) await counter.increment();
  const before = await counter.state();
  await found.tpm.run((commands) => commands.nvUndefine(counter.index));
  await counter.define();
  await counter.increment();
  const again = await counter.state();
  assert.ok(before.kind === 'value' && again.kind === 'value' && again.value > before.value);
});

test('what is not a counter of ours is not taken for one', async (t) => {
  const found = present(t);
  if (found === null) return;
  const ours = TPMA_NV.ownerWrite | TPMA_NV.authWrite | TPMA_NV.ownerRead | TPMA_NV.authRead | TPMA_NV.noDA;
  const orderly = 1 << 26;
  const others: [number, number][] = [
    [ours, 8],
    [ours | TPMA_NV.counter | orderly, 8],
    [(ours | TPMA_NV.counter) & ~TPMA_NV.noDA, 8],
  ];
  for (const [attributes, bytes] of others) {
    const counter = tpmCounter(found.tpm, counterIndex('/data/c'));
    await found.tpm.run((commands) => commands.nvDefine(counter.index, attributes, bytes));
    assert.deepEqual(await counter.state(), { kind: 'foreign' }, attributes.toString(16));
    await found.tpm.run((commands) => commands.nvUndefine(counter.index));
  }
});

test('the place of a counter follows from the folder, in the range of the owner', () => {
  const folders = Array.from({ length: 500 }, (_, i) => `/srv/gateway/${i}`);
  const indexes = folders.map(counterIndex);
  assert.equal(new Set(indexes).size, folders.length);
  assert.ok(indexes.every((index) => index >= 0x0180_0000 && index <= 0x01bf_ffff));
  assert.deepEqual(folders.map(counterIndex), indexes);
});

test('a TPM that is away, or refuses, is said with the setting that asks for it', async (t) => {
  const unavailable = (words: RegExp) => (error: unknown) =>
    error instanceof GatewayError && error.code === 'ATTESTATION_UNAVAILABLE' && words.test(error.detail);
  const away = tpmCounter(openTpm({ kind: 'unix', path: join(tempDir(t), 'nowhere') }), counterIndex('/data/d'));
  await assert.rejects(away.state(), unavailable(/rollback_counter` is set.*nowhere/));
  const found = present(t);
  if (found === null) return;
  await assert.rejects(tpmCounter(found.tpm, counterIndex('/data/e')).increment(), unavailable(/HANDLE/));
});
