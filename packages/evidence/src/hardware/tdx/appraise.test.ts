import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { encodeHex } from '../../bytes/hex.ts';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { testAnchor } from '../../testing/pki.ts';
import { makeTdx, TDX_PLATFORM, type TdxOptions } from '../../testing/tdx.ts';
import { makeTdxPki } from '../../testing/tdx-pki.ts';
import { filled, type TdGuest } from '../../testing/tdx-quote.ts';
import type { EvidenceGiven } from '../given.ts';
import type { EvidencePolicy } from '../policy.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { tdxEvidence } from './evidence.ts';

const PKI = await makeTdxPki(TDX_PLATFORM);
const ANCHORS = [testAnchor(PKI.root, 'intel-sgx')];

async function judge(
  options: TdxOptions,
  given: Partial<EvidenceGiven> = {},
  more: Record<string, Uint8Array<ArrayBuffer>> = {},
): Promise<EvidenceVerdict> {
  const { files, at } = await makeTdx({ pki: PKI, ...options });
  const verdict = await tdxEvidence({ ...files, ...more }, { at, anchors: ANCHORS, ...given });
  assert.equal(verdict.authentic, true);
  return verdict;
}

function tdx(policy: EvidencePolicy['tdx']): Partial<EvidenceGiven> {
  return { policy: policy === undefined ? {} : { tdx: policy } };
}

/** Not acceptable, because of this check alone. */
function assertRefused(verdict: EvidenceVerdict, id: string, message: RegExp): void {
  const failed = verdict.checks.filter(({ outcome }) => outcome === 'failed');
  assert.deepEqual([verdict.acceptable, failed.map((check) => check.id)], [false, [id]]);
  assert.match(failed[0]?.detail ?? '', message);
}

const guest = (changes: TdGuest): TdxOptions => ({ version: 5, guest: changes });

test('a guest that its host can look into is refused unless the policy allows it', async () => {
  for (const [bit, name] of [
    [0n, 'DEBUG'],
    [4n, 'HGS_PLUS_PROF'],
    [5n, 'PERF_PROF'],
    [6n, 'PMT_PROF'],
  ] as const) {
    const options = guest({ attributes: 1n << bit });
    assertRefused(await judge(options), 'tdx.debug', new RegExp(name));
    assertRefused(await judge(options, tdx({ allowDebug: false })), 'tdx.debug', new RegExp(name));
    assert.equal((await judge(options, tdx({ allowDebug: true }))).acceptable, true);
  }
});

test('attributes and features without a known meaning are refused, and so is a guest without x87 and SSE', async () => {
  for (const bit of [1n, 2n, 3n, 7n, 8n, 40n, 61n]) {
    assertRefused(await judge(guest({ attributes: 1n << bit })), 'tdx.attributes', /without a known meaning/);
  }
  for (const bit of [3n, 4n, 10n, 13n, 16n, 20n, 63n]) {
    assertRefused(await judge(guest({ xfam: 3n | (1n << bit) })), 'tdx.xfam', /without a known meaning/);
  }
  for (const xfam of [0n, 1n, 2n]) assertRefused(await judge(guest({ xfam })), 'tdx.xfam', /without x87 or SSE/);
  assert.equal((await judge(guest({ xfam: 3n, attributes: 1n << 63n }))).acceptable, true);
});

test("a TDX module that is not Intel's own is refused, even where a TCB info would name it", async () => {
  const named = (tdxModule: object) => (body: Record<string, unknown>) => ({
    ...body,
    tdxModuleIdentities: (body.tdxModuleIdentities as object[]).map((each) => ({ ...each, ...tdxModule })),
  });
  const signer = { ...guest({ mrSignerSeam: filled(48, 1) }), tcbInfo: named({ mrsigner: '01'.repeat(48) }) };
  assertRefused(await judge(signer), 'tdx.module', /MRSIGNERSEAM/);
  const attributes = { ...guest({ seamAttributes: filled(8, 1) }), tcbInfo: named({ attributes: '01'.repeat(8) }) };
  assertRefused(await judge(attributes), 'tdx.module', /SEAMATTRIBUTES/);
});

test('zeros after the quote are reported; other bytes are refused unless the policy allows them, and are never read', async () => {
  const zeros = await judge({ trailing: new Uint8Array(70) });
  assert.deepEqual([zeros.acceptable, zeros.facts.trailing_bytes, zeros.facts.trailing_zero], [true, 70, true]);
  const options = { trailing: filled(39, 7) };
  assertRefused(await judge(options), 'tdx.trailing', /39 bytes that are not zero/);
  const allowed = await judge(options, tdx({ allowTrailingBytes: true }));
  assert.deepEqual([allowed.acceptable, allowed.facts.trailing_zero], [true, false]);
});

test('REPORTDATA is compared with user data and with the file report_data: nothing, another value, the value', async () => {
  const value = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
  const options = { reportData: value };
  const file = (text: string) => ({ report_data: encodeUtf8(text) });
  const none = await judge(options);
  assert.equal(none.checks.find(({ id }) => id === 'tdx.report_data')?.outcome, 'not checked');
  assert.deepEqual([none.acceptable, none.facts.report_data], [true, encodeHex(value)]);
  assert.equal((await judge(options, { userData: value })).acceptable, true);
  assert.equal((await judge(options, {}, file(`${encodeHex(value).toUpperCase()}\n`))).acceptable, true);
  assert.equal((await judge(options, { userData: value }, file(encodeHex(value)))).acceptable, true);
  const other = filled(64, 1);
  assertRefused(await judge(options, { userData: other }), 'tdx.report_data', /not what was expected/);
  assertRefused(await judge(options, {}, file(encodeHex(other))), 'tdx.report_data', /not what was expected/);
  assertRefused(await judge(options, { userData: value }, file(encodeHex(other))), 'tdx.report_data', /not what/);
  assertRefused(await judge(options, { userData: other }, file(encodeHex(value))), 'tdx.report_data', /not what/);
  for (const text of ['', 'zz', 'abc', '00'.repeat(65)]) {
    assertRefused(await judge(options, {}, file(text)), 'tdx.report_data', /report_data|not what/);
  }
});

test('user data that is shorter than REPORTDATA is followed by zeros', async () => {
  const value = filled(32, 9);
  assert.equal((await judge({ reportData: value }, { userData: value })).acceptable, true);
  assertRefused(await judge({ reportData: filled(33, 9) }, { userData: value }), 'tdx.report_data', /./);
  assertRefused(await judge({}, { userData: new Uint8Array() }), 'tdx.report_data', /./);
  assertRefused(await judge({ reportData: value }, { userData: new Uint8Array(65) }), 'tdx.report_data', /./);
});

test('a challenge is answered in REPORTDATA only: without user data it is not known whether it was', async () => {
  const nonce = filled(32, 9);
  const verdict = await judge({ reportData: nonce }, { nonce });
  assert.equal(verdict.acceptable, null);
  assert.equal(verdict.checks.find(({ id }) => id === 'tdx.nonce')?.outcome, 'not checked');
  assert.equal((await judge({ reportData: nonce }, { nonce, userData: nonce })).acceptable, true);
});

test('the measurement is compared as claims write it, or as MRTD itself, and in no other form [C-28]', async () => {
  const mrTd = filled(48, 0x61);
  const options = guest({ mrTd });
  const hashed = createHash('sha384').update(mrTd).digest('hex');
  const none = await judge(options);
  assert.deepEqual([none.acceptable, none.facts.measurement], [true, `sha384:${hashed}`]);
  assert.equal(none.checks.find(({ id }) => id === 'tdx.measurement')?.outcome, 'not checked');
  assert.equal((await judge(options, { measurement: `sha384:${hashed}` })).acceptable, true);
  assert.equal((await judge(options, { measurement: encodeHex(mrTd) })).acceptable, true);
  const others = [hashed, `sha384:${encodeHex(mrTd)}`, `sha384:${'0'.repeat(96)}`, '0'.repeat(96), '', 'sha384:'];
  for (const measurement of others) assertRefused(await judge(options, { measurement }), 'tdx.measurement', /MRTD is/);
});

test('values that the policy names are those of the guest: nothing, another value, the value', async () => {
  const rtmr = [1, 2, 3, 4].map((value) => filled(48, value));
  const values = { mrTd: filled(48, 5), mrSeam: filled(48, 6), mrConfigId: filled(48, 7), rtmr };
  const options = guest({ ...values, mrOwner: filled(48, 8), mrOwnerConfig: filled(48, 9) });
  const hex = (value: number) => encodeHex(filled(48, value));
  const cases: [string, (value: string) => EvidencePolicy['tdx'], number][] = [
    ['tdx.rtmr0', (value) => ({ rtmr: { '0': [value] } }), 1],
    ['tdx.rtmr1', (value) => ({ rtmr: { '1': [value] } }), 2],
    ['tdx.rtmr2', (value) => ({ rtmr: { '2': [value] } }), 3],
    ['tdx.rtmr3', (value) => ({ rtmr: { '3': [value] } }), 4],
    ['tdx.mrtd', (value) => ({ mrtd: [value] }), 5],
    ['tdx.mrseam', (value) => ({ mrSeam: [value] }), 6],
    ['tdx.mrconfigid', (value) => ({ mrConfigId: value }), 7],
    ['tdx.mrowner', (value) => ({ mrOwner: value }), 8],
    ['tdx.mrownerconfig', (value) => ({ mrOwnerConfig: value }), 9],
  ];
  assert.equal((await judge(options)).acceptable, true);
  for (const [id, policy, value] of cases) {
    assert.equal((await judge(options, tdx(policy(hex(value))))).acceptable, true, id);
    assertRefused(await judge(options, tdx(policy(hex(0)))), id, /does not list/);
  }
  assertRefused(await judge(options, tdx({ mrtd: [] })), 'tdx.mrtd', /does not list/);
  assert.equal((await judge(options, tdx({ mrtd: [hex(0), hex(5)] }))).acceptable, true);
});

test('SEPT_VE_DISABLE is required where the policy says so', async () => {
  assert.equal((await judge(guest({ attributes: 0n }))).acceptable, true);
  assertRefused(
    await judge(guest({ attributes: 0n }), tdx({ requireSeptVeDisable: true })),
    'tdx.sept_ve_disable',
    /not set/,
  );
  assert.equal((await judge(guest({ attributes: 1n << 28n }), tdx({ requireSeptVeDisable: true }))).acceptable, true);
});

test('that a guest can be migrated is said, with the guest that would do it', async () => {
  const verdict = await judge(guest({ attributes: 1n << 29n, mrServiceTd: filled(48, 0x77) }));
  const check = verdict.checks.find(({ id }) => id === 'tdx.migratable');
  assert.deepEqual([check?.outcome, check?.detail.includes('77'.repeat(48))], ['asserted', true]);
  assert.deepEqual([verdict.acceptable, verdict.facts.migratable], [true, true]);
});
