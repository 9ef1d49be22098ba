import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { VENDOR_ANCHORS, verifyEvidence } from '@cmcp/evidence';
import {
  collateralIn,
  errno,
  HASTY,
  RTMR3,
  snpMachine,
  type TdxMachineOptions,
  tdxMachine,
} from '../../../../../tests/support/tsm-double.ts';
import { writeEventLog } from '../../../../evidence/src/testing/event-log.ts';
import { GatewayError } from '../../errors.ts';
import type { CollectedEvidence } from '../types.ts';
import { openTdxProvider } from './tdx.ts';

// The platform is a test double with a generated root: no TDX hardware was used.

const DATA = new Uint8Array(64).map((_, i) => i);
const DIGEST = new Uint8Array(32).fill(9);
const CCEL = '/sys/firmware/acpi/tables/data/CCEL';

async function opened(options: TdxMachineOptions = {}) {
  const machine = await tdxMachine(options);
  const provider = await openTdxProvider({ ...HASTY, fs: machine.double, collateral: machine.collateral });
  return { ...machine, provider };
}

const refused = (words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'ATTESTATION_FAILED' && words.test(error.detail);

/** The files that the verifier makes of a claim's evidence. */
function filesOf({ evidence, beside }: CollectedEvidence) {
  const bytes = (text = '') => new Uint8Array(Buffer.from(text, 'base64'));
  const items = beside.map(({ role, data }) => [role.replace('tdx/', ''), bytes(data)]);
  return { quote: bytes(evidence.raw_evidence), ...Object.fromEntries(items) };
}

for (const version of [4, 5] as const) {
  test(`a quote of version ${version} of the TDX test double is accepted under its root and under no vendor’s`, async () => {
    const { provider, root, at } = await opened({ version });
    const [collected] = await provider.collect([DATA]);
    assert.ok(collected);
    assert.equal(collected.platform, 'intel-tdx');
    const { measurement } = collected;
    const files = filesOf(collected);
    const verdict = await verifyEvidence('tdx', files, { at, anchors: [root], userData: DATA, measurement });
    assert.equal(verdict.acceptable, true, verdict.summary);
    assert.equal(verdict.facts.tcb_status, 'UpToDate');
    const vendors = await verifyEvidence('tdx', files, { at, anchors: VENDOR_ANCHORS, userData: DATA });
    assert.equal(vendors.authentic, false);
  });
}

test('live evidence comes as the files that `cmcp evidence verify` takes', async () => {
  const { provider, root, at } = await opened();
  const { kind, files } = await provider.collectLive(DATA);
  assert.equal(kind, 'tdx');
  const verdict = await verifyEvidence('tdx', files, { at, anchors: [root], userData: DATA });
  assert.equal(verdict.acceptable, true, verdict.summary);
});

test('zeros that fill the buffer of the host are left out, and anything else after the quote is refused', async () => {
  const filled = await opened({ trailing: new Uint8Array(3065) });
  const [collected] = await filled.provider.collect([DATA]);
  assert.ok(collected);
  const verdict = await verifyEvidence('tdx', filesOf(collected), { at: filled.at, anchors: [filled.root] });
  assert.equal(verdict.facts.trailing_bytes, 0);
  const followed = await opened({ trailing: Uint8Array.of(0, 1) });
  await assert.rejects(followed.provider.collect([DATA]), refused(/2 bytes follow the quote/));
});

test('a TDREPORT, a wrapper that is not known, a short quote and none are refused [W-34]', async () => {
  const { provider, double } = await opened();
  const tdReport = new Uint8Array(1024);
  tdReport[0] = 0x81;
  const cases: [(quote: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>, RegExp][] = [
    [() => tdReport, /TDREPORT.*never remote evidence/],
    [(quote) => Uint8Array.of(0x44, 0x43, 0x41, 0x50, ...quote), /version .* is not known/],
    [(quote) => quote.slice(0, 700), /TDX quote/],
    [() => new Uint8Array(), /TDX quote/],
  ];
  for (const [change, words] of cases) {
    double.tamper = ({ outblob }) => ({ outblob: change(outblob) });
    await assert.rejects(provider.collect([DATA]), refused(words));
  }
});

test('a quote with other data than was asked for is refused, though all else about it is good', async () => {
  const other = await opened();
  const [foreign] = await other.provider.collect([new Uint8Array(64)]);
  assert.ok(foreign);
  const { provider, double } = await opened();
  double.tamper = () => ({ outblob: filesOf(foreign).quote });
  await assert.rejects(provider.collect([DATA]), refused(/REPORTDATA is not what was asked for/));
  await assert.rejects(provider.collectLive(DATA), refused(/REPORTDATA/));
});

test('without collateral the quote stands alone, and what is there of it must be whole', async () => {
  const { double, collateralFiles, root, at } = await tdxMachine();
  const open = (files: Map<string, Uint8Array<ArrayBuffer>>) =>
    openTdxProvider({ ...HASTY, fs: double, collateral: collateralIn(files) });
  const [alone] = await (await open(new Map())).collect([DATA]);
  assert.ok(alone);
  assert.deepEqual(alone.beside, []);
  const verdict = await verifyEvidence('tdx', filesOf(alone), { at, anchors: [root] });
  assert.equal(verdict.authentic, true, verdict.summary);
  assert.equal(verdict.facts.tcb_status, 'unknown');
  for (const path of collateralFiles.keys()) {
    const half = new Map([...collateralFiles].filter(([name]) => name !== path));
    await assert.rejects(
      (await open(half)).collect([DATA]),
      refused(new RegExp(`${path.replaceAll('.', '\\.')} .*missing`)),
    );
  }
});

test('the event log of the firmware comes along without the unused rest of its memory, where it is one', async () => {
  const log = writeEventLog(['sha384'], [{ index: 1, digests: { sha384: new Uint8Array(48).fill(1) } }]);
  const padded = new Uint8Array(log.length + 500).fill(0xff);
  padded.set(log);
  const rtmr = createHash('sha384').update(new Uint8Array(48)).update(new Uint8Array(48).fill(1)).digest();
  const { provider, double, root, at } = await opened({
    files: { [CCEL]: padded },
    guest: { rtmr: [new Uint8Array(rtmr), new Uint8Array(48), new Uint8Array(48), new Uint8Array(48)] },
  });
  const [collected] = await provider.collect([DATA]);
  assert.ok(collected);
  const files = filesOf(collected);
  assert.deepEqual(files.event_log, log);
  const verdict = await verifyEvidence('tdx', files, { at, anchors: [root] });
  assert.equal(verdict.facts.rtmr_replay, '0');
  double.files.set(CCEL, Uint8Array.of(1, 2, 3));
  const { files: live } = await provider.collectLive(DATA);
  assert.equal(live.event_log, undefined, 'what is no log is left out');
});

test('RTMR 3 is the register of the launch: it is read, extended once, and holds what was foretold', async () => {
  const { provider } = await opened();
  assert.equal(provider.capabilities.runtimeExtend, true);
  const before = await provider.launchRegister();
  assert.equal(before?.name, 'RTMR 3');
  assert.equal(before.value, '00'.repeat(48));
  await provider.extend(DIGEST);
  const after = await provider.launchRegister();
  assert.equal(after?.value, before.after(DIGEST));
  assert.equal(
    before.after(DIGEST),
    after.after(DIGEST),
    'foretold from the initial value, whatever the register holds',
  );
  const event = createHash('sha384').update(DIGEST).digest();
  assert.equal(after.value, createHash('sha384').update(new Uint8Array(48)).update(event).digest('hex'));
});

test('the next quote shows what RTMR 3 was extended to', async () => {
  const { provider, root, at } = await opened();
  await provider.extend(DIGEST);
  const register = await provider.launchRegister();
  const [collected] = await provider.collect([DATA]);
  assert.ok(collected);
  const verdict = await verifyEvidence('tdx', filesOf(collected), { at, anchors: [root] });
  assert.equal(verdict.facts.rtmr3, register?.value);
});

test('before Linux 6.16 RTMR 3 can neither be read nor extended, which is said', async () => {
  const { provider } = await opened({ measurements: false });
  assert.equal(provider.capabilities.runtimeExtend, false);
  assert.equal(await provider.launchRegister(), null);
  await assert.rejects(provider.extend(DIGEST), refused(/Linux 6\.16/));
});

test('the kernel takes 48 bytes for RTMR 3 and no part of them, and what it refuses is told', async () => {
  const { provider, double } = await opened();
  await assert.rejects(double.writeFile(RTMR3, new Uint8Array(32)), { code: 'EINVAL' });
  const real = double.writeFile.bind(double);
  double.writeFile = (path, bytes) => real(path, path === RTMR3 ? bytes.subarray(0, 32) : bytes);
  await assert.rejects(provider.extend(DIGEST), refused(/extending RTMR 3: .*EINVAL/));
  assert.equal((await provider.launchRegister())?.value, '00'.repeat(48));
});

test('nothing but a digest of 32 bytes is recorded', async () => {
  const { provider } = await opened();
  for (const length of [0, 31, 33, 48]) {
    await assert.rejects(provider.extend(new Uint8Array(length)), refused(/32 bytes/));
  }
  assert.equal((await provider.launchRegister())?.value, '00'.repeat(48));
});

test('an extension that another program came between is noticed', async () => {
  const { provider, double } = await opened();
  const real = double.writeFile.bind(double);
  double.writeFile = async (path, bytes) => {
    await real(path, bytes);
    await real(path, new Uint8Array(48));
  };
  await assert.rejects(provider.extend(DIGEST), refused(/another program extends it/));
});

test('a register of another size is refused, and one that may not be read is no absent one', async () => {
  const { provider, double } = await opened();
  for (const length of [0, 47]) {
    double.rtmr3 = new Uint8Array(length);
    await assert.rejects(provider.launchRegister(), refused(/not 48/));
  }
  double.rtmr3 = new Uint8Array(49);
  await assert.rejects(provider.launchRegister(), refused(/EFBIG/));
  double.fault = ({ path }) => {
    if (path === RTMR3) throw errno('EACCES');
  };
  await assert.rejects(provider.launchRegister(), refused(/may not ask/));
});

test('callers that ask at once all get their own quote, and nobody anything after the end', async () => {
  const { provider, double } = await opened();
  const bounds = Array.from({ length: 20 }, (_, i) => new Uint8Array(64).fill(i));
  const all = await Promise.all(bounds.map((bound) => provider.collect([bound])));
  assert.deepEqual(
    all.map(([one]) => Buffer.from(one?.evidence.raw_evidence ?? '', 'base64')[568]),
    bounds.map(([byte]) => byte),
  );
  assert.equal(double.entries.size, 0);
  await provider.close();
  await assert.rejects(provider.collect([DATA]), refused(/closed/));
});

test('a provider is not opened on a machine that is no TDX guest', async () => {
  const { double, collateral } = await snpMachine();
  await assert.rejects(
    openTdxProvider({ ...HASTY, fs: double, collateral }),
    refused(/sev_guest answers here, not tdx_guest/),
  );
});
