import assert from 'node:assert/strict';
import test from 'node:test';
import { readCertificates, VENDOR_ANCHORS, verifyEvidence } from '@cmcp/evidence';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import {
  certificatesOf,
  certificateTable,
  collateralIn,
  errno,
  HASTY,
  type SnpMachineOptions,
  snpMachine,
  tdxMachine,
} from '../../../../../tests/support/tsm-double.ts';
import { GatewayError } from '../../errors.ts';
import { openSevSnpProvider } from './sev-snp.ts';

// The platform is a test double with a generated root: no SEV-SNP hardware was used.

const DATA = new Uint8Array(64).map((_, i) => i);

async function opened(options: SnpMachineOptions = {}) {
  const machine = await snpMachine(options);
  const provider = await openSevSnpProvider({ ...HASTY, fs: machine.double, collateral: machine.collateral });
  return { ...machine, provider };
}

const refused = (words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'ATTESTATION_FAILED' && words.test(error.detail);

/** The files that the verifier makes of a claim's evidence. */
async function filesOf(collected: {
  evidence: { raw_evidence?: string; cert_chain?: string };
  beside: { role: string; data: string }[];
}) {
  const bytes = (text = '') => new Uint8Array(Buffer.from(text, 'base64'));
  const [leaf, ...issuers] = readCertificates(bytes(collected.evidence.cert_chain));
  assert.ok(leaf);
  const beside = collected.beside.map(({ role, data }) => [role.replace('sev-snp/', ''), bytes(data)]);
  const chain = new Uint8Array(Buffer.concat(issuers.map(({ der }) => der)));
  return { report: bytes(collected.evidence.raw_evidence), vcek: leaf.der, chain, ...Object.fromEntries(beside) };
}

test('evidence of the SEV-SNP test double is accepted under its root and under no vendor’s', async () => {
  const { provider, root, at } = await opened();
  const [collected] = await provider.collect([DATA]);
  assert.ok(collected);
  assert.equal(collected.platform, 'amd-sev-snp');
  assert.equal(collected.firmwareVersion, '1.55.29');
  const { measurement } = collected;
  assert.match(measurement, /^sha384:[0-9a-f]{96}$/);
  const files = await filesOf(collected);
  const verdict = await verifyEvidence('sev-snp', files, { at, anchors: [root], userData: DATA, measurement });
  assert.equal(verdict.acceptable, true, verdict.summary);
  assert.equal(verdict.checks.find(({ id }) => id === 'sev-snp.revocation')?.outcome, 'proven');
  const vendors = await verifyEvidence('sev-snp', files, { at, anchors: VENDOR_ANCHORS, userData: DATA });
  assert.equal(vendors.authentic, false);
});

test('one report is asked for each binding, in order, and none for none', async () => {
  const { provider, double } = await opened();
  const bounds = [1, 2, 3].map((byte) => new Uint8Array(64).fill(byte));
  const collected = await provider.collect(bounds);
  const carried = collected.map(({ evidence }) => Buffer.from(evidence.raw_evidence ?? '', 'base64')[0x50]);
  assert.deepEqual(carried, [1, 2, 3]);
  assert.equal(double.generated, 3);
  assert.deepEqual(await provider.collect([]), []);
});

test('live evidence comes as the files that `cmcp evidence verify` takes', async () => {
  const { provider, root, at } = await opened();
  const { kind, files } = await provider.collectLive(DATA);
  assert.equal(kind, 'sev-snp');
  const verdict = await verifyEvidence('sev-snp', files, { at, anchors: [root], userData: DATA });
  assert.equal(verdict.acceptable, true, verdict.summary);
});

test('a report with other data than was asked for is refused, though all else about it is good [W-39]', async () => {
  const { provider, double, made } = await opened();
  double.tamper = async (blobs) => ({ ...blobs, outblob: await made.report({ reportData: new Uint8Array(64) }) });
  await assert.rejects(provider.collect([DATA]), refused(/REPORT_DATA is not what was asked for/));
  await assert.rejects(provider.collectLive(DATA), refused(/REPORT_DATA/));
});

test('a report that is too short, or no report, is refused', async () => {
  const { provider, double } = await opened();
  for (const length of [0, 1183, 1185]) {
    double.tamper = (blobs) => ({ ...blobs, outblob: new Uint8Array(length) });
    await assert.rejects(provider.collect([DATA]), refused(/an SEV-SNP report has 1184 bytes/));
  }
});

test('without certificates of the host, those of the collateral folder are used', async () => {
  const { provider, root, at } = await opened({ hostCertificates: false });
  const [collected] = await provider.collect([DATA]);
  assert.ok(collected);
  const verdict = await verifyEvidence('sev-snp', await filesOf(collected), { at, anchors: [root] });
  assert.equal(verdict.authentic, true, verdict.summary);
});

test('with the certificates of the host alone there is no revocation list', async () => {
  const { double } = await snpMachine();
  const provider = await openSevSnpProvider({ ...HASTY, fs: double, collateral: collateralIn(new Map()) });
  const [collected] = await provider.collect([DATA]);
  assert.deepEqual(collected?.beside, []);
});

test('a report of version 2, which names no product, finds its certificate all the same', async () => {
  const { provider, root, at } = await opened({
    hostCertificates: false,
    report: { version: 2, product: 'Genoa' },
  });
  const [collected] = await provider.collect([DATA]);
  assert.ok(collected);
  const verdict = await verifyEvidence('sev-snp', await filesOf(collected), { at, anchors: [root] });
  assert.equal(verdict.authentic, true, verdict.summary);
});

test('a report of a VLEK goes with the VLEK of the host', async () => {
  const { provider, root, at, double } = await opened({ report: { signingKey: 'vlek' } });
  assert.equal(double.generated, 0);
  const { files } = await provider.collectLive(DATA);
  assert.deepEqual(Object.keys(files).sort(), ['chain', 'crl', 'report', 'vlek']);
  const verdict = await verifyEvidence('sev-snp', files, { at, anchors: [root] });
  assert.equal(verdict.authentic, true, verdict.summary);
});

test('a certificate of another TCB version or chip, as hosts keep from before an update, is passed over', async () => {
  for (const stale of [
    { tcb: { bootloader: 9, tee: 1, snp: 22, microcode: 72 } },
    { hwid: new Uint8Array(64).fill(1) },
    { hwid: null },
  ]) {
    const { provider, double, root, at } = await opened();
    const old = certificatesOf((await snpMachine({ report: { certificates: stale } })).made);
    double.tamper = (blobs) => ({ ...blobs, auxblob: certificateTable(old) });
    const { files } = await provider.collectLive(DATA);
    const verdict = await verifyEvidence('sev-snp', files, { at, anchors: [root] });
    assert.equal(verdict.authentic, true, verdict.summary);
  }
});

test('evidence that nobody could check is none, and it is said what lacks', async () => {
  const machine = await snpMachine();
  const open = (files: Map<string, Uint8Array<ArrayBuffer>>) =>
    openSevSnpProvider({ ...HASTY, fs: machine.double, collateral: collateralIn(files) });
  machine.double.tamper = (blobs) => ({ outblob: blobs.outblob });
  await assert.rejects(
    (await open(new Map())).collect([DATA]),
    refused(/no certificate of the VCEK .*the host supplies none; `cmcp attest fetch-collateral`/),
  );
  const leafAlone = new Map([...machine.collateralFiles].filter(([path]) => path.includes('/vcek/')));
  await assert.rejects((await open(leafAlone)).collect([DATA]), refused(/no certificates of what issued the VCEK/));
  const broken = new Map([...machine.collateralFiles].map(([path]) => [path, Uint8Array.of(1)]));
  await assert.rejects((await open(broken)).collect([DATA]), refused(/in the collateral folder: .*fetch-collateral/));
  machine.double.tamper = (blobs) => ({ ...blobs, auxblob: Uint8Array.of(1) });
  await assert.rejects((await open(machine.collateralFiles)).collect([DATA]), refused(/certificate table of the host/));
  const { made } = await snpMachine({ report: { certificates: { hwid: new Uint8Array(64) } } });
  machine.double.tamper = (blobs) => ({ ...blobs, auxblob: certificateTable(certificatesOf(made)) });
  await assert.rejects((await open(new Map())).collect([DATA]), refused(/of another chip or TCB version/));
});

test('a report that no key signed, or a VLEK that nobody supplies, is no evidence', async () => {
  const unsigned = await opened({ report: { signingKey: 'none' } });
  await assert.rejects(unsigned.provider.collect([DATA]), refused(/no key signed it/));
  const { double } = await snpMachine({ report: { signingKey: 'vlek' }, hostCertificates: false });
  const provider = await openSevSnpProvider({ ...HASTY, fs: double, collateral: collateralIn(new Map()) });
  await assert.rejects(provider.collect([DATA]), refused(/VLEK .*ask the cloud provider/));
});

test('a certificate of the other kind of key is not taken for the one that signed', async () => {
  const { double } = await snpMachine({ report: { signingKey: 'vlek' } });
  const [vcek] = certificatesOf((await snpMachine()).made);
  assert.ok(vcek);
  double.tamper = (blobs) => ({ ...blobs, auxblob: certificateTable([{ ...vcek, kind: 'vlek' }]) });
  const provider = await openSevSnpProvider({ ...HASTY, fs: double, collateral: collateralIn(new Map()) });
  await assert.rejects(provider.collect([DATA]), refused(/no certificate of the VLEK/));
});

test('what the kernel refuses is no evidence, with its reason', async () => {
  const { provider, double } = await opened();
  double.fault = ({ name }) => {
    if (name === 'outblob') throw errno('EINVAL');
  };
  await assert.rejects(provider.collect([DATA]), refused(/^sev-snp: reading outblob: .*EINVAL/));
  await assert.rejects(provider.collect([DATA], AbortSignal.abort()), refused(/given up/));
});

test('a defect of the program is not told as a failure of the platform', async () => {
  const { provider, double } = await opened();
  double.fault = () => {
    throw new TypeError('a defect');
  };
  await assert.rejects(provider.collect([DATA]), TypeError);
});

test('SEV-SNP has no register of the launch, and says so', async () => {
  const { provider } = await opened();
  assert.equal(await provider.launchRegister(), null);
  assert.deepEqual(provider.capabilities, { runtimeExtend: false, sealing: false, rollbackCounter: false });
  await assert.rejects(provider.extend(new Uint8Array(32)), refused(/no register/));
});

test('callers that ask at once all get their own evidence, and nobody anything after the end', async () => {
  const { provider, double } = await opened();
  const bounds = Array.from({ length: 50 }, (_, i) => new Uint8Array(64).fill(i));
  const all = await Promise.all(bounds.map((bound) => provider.collect([bound])));
  assert.deepEqual(
    all.map(([one]) => Buffer.from(one?.evidence.raw_evidence ?? '', 'base64')[0x50]),
    bounds.map(([byte]) => byte),
  );
  assert.equal(double.entries.size, 0);
  await provider.close();
  await provider.close();
  await assert.rejects(provider.collect([DATA]), refused(/closed/));
});

test('a platform that does not answer is no evidence, for whoever waits as well, and works again when it comes back', async () => {
  const { double, collateral } = await snpMachine();
  const time = new ManualTime();
  const provider = await openSevSnpProvider({ ...HASTY, timers: time, fs: double, collateral });
  const { promise: back, resolve: comeBack } = Promise.withResolvers<void>();
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  double.fault = ({ name }) => {
    if (name !== 'outblob') return undefined;
    reach();
    return back;
  };
  const asked = [provider.collect([DATA]), provider.collectLive(DATA)];
  await reached;
  time.advance(30_000);
  for (const each of asked) await assert.rejects(each, refused(/no answer within 30 s/));
  await assert.rejects(provider.collect([DATA]), refused(/has not come back/));
  double.fault = () => undefined;
  comeBack();
  while (double.entries.size > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await provider.collect([DATA])).length, 1);
});

test('a provider is not opened on a machine that is no SEV-SNP guest', async () => {
  const { double, collateral } = await tdxMachine();
  await assert.rejects(
    openSevSnpProvider({ ...HASTY, fs: double, collateral }),
    refused(/tdx_guest answers here, not sev_guest/),
  );
});
