import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, type TestContext, test } from 'node:test';
import {
  encodeBase64Url,
  encodeUtf8,
  parseParavisorData,
  parseSnpReport,
  sha256,
  verifyCollected,
  verifyEvidence,
} from '@cmcp/evidence';
import { sharedPath } from '../../../../../tests/shared.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import { collectOne, defineNv, idsOf, isFailure, now, random } from '../../../../../tests/support/tpm-provider.ts';
import { parseSpki } from '../../../../evidence/src/crypto/key.ts';
import { makeSnp } from '../../../../evidence/src/testing/snp.ts';
import { makeTdx, TDX_AT } from '../../../../evidence/src/testing/tdx.ts';
import { GatewayError } from '../../errors.ts';
import type { Collateral } from '../collateral/folder.ts';
import type { Tpm, TpmCommands } from '../tpm/api.ts';
import { tpmSurroundings } from '../tpm/detect.ts';
import { openTpm } from '../tpm/tpm.ts';
import { snpCertificates } from '../tsm/snp-certificates.ts';
import type { EvidenceProvider } from '../types.ts';
import { detectAzureCvm } from './detect.ts';
import type { MetadataFetch } from './metadata-service.ts';
import { withHostCertificates } from './processor-certificates.ts';
import { openAzureCvmProvider } from './provider.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const absent = noSoftwareTpm();
const HCL = 0x0140_0001;
const AK = '0x81000003';
const NOTHING: Collateral = { snpLeaf: async () => null, snpIssuers: async () => null, tdx: async () => null };

let device: SoftwareTpm | null = null;
let akSpki: Bytes = new Uint8Array();
before(() => {
  if (absent !== null) return;
  device = startSoftwareTpm();
  // As the paravisor provisions a virtual TPM: RSA, persistent, restricted.
  const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign';
  device.run(
    'tpm2_createprimary',
    '-C',
    'o',
    '-G',
    'rsa2048:rsassa-sha256:null',
    '-g',
    'sha256',
    '-a',
    attributes,
    '-c',
    'ak.ctx',
  );
  device.run('tpm2_evictcontrol', '-c', 'ak.ctx', AK);
  device.run('tpm2_readpublic', '-c', AK, '-f', 'der', '-o', 'ak.der');
  akSpki = device.file('ak.der');
});
after(() => device?.stop());
afterEach(() => {
  if (device?.run('tpm2_getcap', 'handles-nv-index').includes('0x1400001')) device.run('tpm2_nvundefine', '0x1400001');
});

/** The virtual TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  return device;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const pemOf = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${base64(der)}\n-----END ${label}-----\n`;
const u32 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

/** What the paravisor says of itself, with the key of its virtual TPM. */
function runtimeData(spki = akSpki): Bytes {
  const ak = parseSpki(spki);
  if (ak.kind !== 'rsa') throw new Error('the virtual TPM of Azure quotes with RSA');
  const jwk = { kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e: encodeBase64Url(ak.e), n: encodeBase64Url(ak.n) };
  return encodeUtf8(JSON.stringify({ keys: [jwk], 'vm-configuration': { 'secure-boot': true } }));
}

/** What fits into an index of swtpm (libtpms, MAX_NV_INDEX_SIZE); that of Azure has 2600 bytes. */
const NV_BYTES = 2048;

/** The report of the paravisor as NV holds it: header, report, header of the data, data, zeros. */
function hclReport(report: Uint8Array, data: Uint8Array, type: 2 | 4): Bytes {
  const bytes = new Uint8Array(NV_BYTES);
  bytes.set(encodeUtf8('HCLA'));
  bytes.set(report, 32);
  bytes.set([...u32(20 + data.length), ...u32(1), ...u32(type), ...u32(1), ...u32(data.length)], 1216);
  bytes.set(data, 1236);
  return bytes;
}

const nobody: MetadataFetch = async () => {
  throw new GatewayError('COLLATERAL_UNAVAILABLE', 'nobody answers');
};

async function open(
  t: TestContext,
  tpm: SoftwareTpm,
  more: { collateral?: Collateral; metadata?: MetadataFetch } = {},
): Promise<EvidenceProvider> {
  const provider = await openAzureCvmProvider({
    tpm: openTpm(tpm.address),
    collateral: NOTHING,
    metadata: nobody,
    ...more,
  });
  t.after(() => provider.close());
  return provider;
}

const MEASUREMENT = new Uint8Array(48).fill(0x5a);

/** An SEV-SNP guest: its report in NV, and a metadata service with its certificates, with account of what was asked. */
async function snpGuest(tpm: SoftwareTpm, data = runtimeData()) {
  const { files, root } = await makeSnp({
    reportData: sha256(data),
    measurement: MEASUREMENT,
  });
  defineNv(tpm, HCL, hclReport(files.report ?? new Uint8Array(), data, 2));
  const asked: string[] = [];
  const answer = {
    vcekCert: pemOf('CERTIFICATE', files.vcek ?? new Uint8Array()),
    certificateChain: Buffer.from(files.chain ?? []).toString(),
  };
  const metadata: MetadataFetch = async (path) => {
    asked.push(path);
    return encodeUtf8(JSON.stringify(answer));
  };
  return { metadata, root, asked };
}

test('evidence of a session in a confidential VM of Azure verifies, and names key and chain', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { metadata, root, asked } = await snpGuest(tpm);
  const provider = await open(t, tpm, { metadata });
  const bounds = [random(64), random(64)];
  const collected = await provider.collect(bounds);
  for (const [i, evidence] of collected.entries()) {
    assert.equal(evidence.platform, 'azure-cvm-sev-snp');
    const { measurement } = evidence;
    const verdict = await verifyCollected(evidence, bounds[i] ?? random(64), {
      at: now(),
      anchors: [root],
      measurement,
    });
    assert.deepEqual([verdict?.authentic, verdict?.acceptable], [true, true], verdict?.summary);
    assert.ok(verdict && idsOf(verdict, 'proven').includes('azure-cvm.extra_data'));
    assert.ok(verdict && idsOf(verdict, 'proven').includes('azure-cvm.pcr_digest'));
    const other = await verifyCollected(evidence, random(64), { at: now(), anchors: [root] });
    assert.deepEqual(other && idsOf(other, 'failed'), ['azure-cvm.extra_data']);
  }
  // The certificates are asked for once, as long as the report is the same.
  assert.deepEqual(asked, ['/metadata/THIM/amd/certification']);
  await assert.rejects(provider.collect([random(63)]), RangeError);
  // After a move to another processor.
  tpm.run('tpm2_nvundefine', '0x1400001');
  const moved = await makeSnp({ reportData: sha256(runtimeData()), chipId: random(64) });
  defineNv(tpm, HCL, hclReport(moved.files.report, runtimeData(), 2));
  await assert.rejects(provider.collect([random(64)]), isFailure(/another chip|none/));
  assert.equal(asked.length, 2);
});

test('a live statement is carried as its hash beside the whole report of the paravisor', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { metadata, root } = await snpGuest(tpm);
  const statement = random(64);
  const { kind, files } = await (await open(t, tpm, { metadata })).collectLive(statement);
  const verdict = await verifyEvidence(kind, files, { at: now(), anchors: [root], userData: statement });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
});

test('the launch of the gateway is recorded in PCR 13 of the virtual TPM', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  await snpGuest(tpm);
  const provider = await open(t, tpm);
  const before = await provider.launchRegister();
  const digest = random(32);
  await provider.extend(digest);
  assert.equal((await provider.launchRegister())?.value, before?.after(digest));
});

test('a report that names another key, or does not cover what the paravisor says, is refused when it is opened', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const data = runtimeData();
  const { files } = await makeSnp({
    reportData: random(32),
    measurement: MEASUREMENT,
    certificates: { caKeys: 'rsa2048-pss' },
  });
  defineNv(tpm, HCL, hclReport(files.report ?? new Uint8Array(), data, 2));
  await assert.rejects(open(t, tpm), isFailure(/does not cover what the paravisor says/));
  tpm.run('tpm2_nvundefine', '0x1400001');
  defineNv(tpm, HCL, new Uint8Array(NV_BYTES));
  await assert.rejects(open(t, tpm), isFailure(/does not start with HCLA/));
  tpm.run('tpm2_nvundefine', '0x1400001');
  await assert.rejects(open(t, tpm), isFailure(/this is no confidential VM of Azure/));
});

test('a virtual TPM that cannot be used is let go of', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  let closed = 0;
  const opened = openTpm(tpm.address);
  const close = async () => {
    closed++;
    await opened.close();
  };
  const counted: Tpm = { run: (work) => opened.run(work), close };
  await assert.rejects(openAzureCvmProvider({ tpm: counted, collateral: NOTHING, metadata: nobody }), isFailure(/./));
  assert.equal(closed, 1);
});

test('without certificates of the processor there is no evidence, and the reason is told', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  await snpGuest(tpm);
  const provider = await open(t, tpm);
  await assert.rejects(provider.collect([random(64)]), isFailure(/nobody answers/));
  const { metadata } = { metadata: async () => encodeUtf8('{"vcekCert":"","certificateChain":""}') };
  await assert.rejects((await open(t, tpm, { metadata })).collect([random(64)]), isFailure(/PEM/));
});

/** A TDX guest: its TDREPORT in NV, and a host that turns it into a quote over `reportData`. */
async function tdxGuest(tpm: SoftwareTpm, reportData?: Bytes) {
  const data = runtimeData();
  const tdReport = random(1024);
  defineNv(tpm, HCL, hclReport(tdReport, data, 4));
  const { files, root } = await makeTdx({ reportData: reportData ?? sha256(data) });
  const { quote = new Uint8Array(), ...collateral } = files;
  const asked: unknown[] = [];
  const metadata: MetadataFetch = async (path, json) => {
    asked.push([path, json]);
    return encodeUtf8(JSON.stringify({ quote: encodeBase64Url(quote) }));
  };
  return { metadata, root, asked, tdReport, collateral: { ...NOTHING, tdx: async () => collateral as never } };
}

test('the host of a TDX guest makes a quote for live evidence, and sessions are refused with what to do', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { metadata, root, asked, tdReport, collateral } = await tdxGuest(tpm);
  const provider = await open(t, tpm, { metadata, collateral });
  const statement = random(64);
  const { kind, files } = await provider.collectLive(statement);
  assert.deepEqual(asked, [['/acc/tdquote', { report: encodeBase64Url(tdReport) }]]);
  const verdict = await verifyEvidence(kind, files, { at: TDX_AT, anchors: [root], userData: statement });
  assert.equal(verdict.authentic, true, verdict.summary);
  assert.deepEqual([verdict.facts.tee, idsOf(verdict, 'failed')], ['tdx', []]);
  await assert.rejects(collectOne(provider, random(64)), isFailure(/claims have no name for a TDX guest.*`tpm`/));
});

test('a quote of the host over other data is refused', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { metadata, collateral } = await tdxGuest(tpm, random(64));
  const provider = await open(t, tpm, { metadata, collateral });
  await assert.rejects(provider.collectLive(random(64)), isFailure(/does not cover what the paravisor says/));
});

/** A folder of genuine evidence, recorded on Azure. */
function recorded(t: TestContext, name: string): ((file: string) => Bytes) | null {
  const folder = sharedPath('vectors', 'azure-cvm', name);
  if (folder === null) t.skip('the vectors are not there');
  return folder === null ? null : (file) => new Uint8Array(readFileSync(join(folder, file)));
}

/** The TPM with `bytes` in the index of the report: more than an index of swtpm holds. */
function holding(tpm: Tpm, bytes: Bytes): Tpm {
  const area = {
    index: HCL,
    nameAlgorithm: 0x000b,
    attributes: 0x2006_0006,
    policy: new Uint8Array(),
    size: bytes.length,
    name: new Uint8Array(),
  };
  const overlaid = (commands: TpmCommands): TpmCommands => ({
    ...commands,
    nvReadPublic: (index) => (index === HCL ? Promise.resolve(area) : commands.nvReadPublic(index)),
    nvRead: (index, by) => (index === HCL ? Promise.resolve(bytes) : commands.nvRead(index, by)),
  });
  return { run: (work, signal) => tpm.run((commands) => work(overlaid(commands)), signal), close: () => tpm.close() };
}

test('the genuine report of another VM is read, and refused: it names the key of that VM', async (t) => {
  const tpm = present(t);
  for (const name of ['trustee-az-snp-v0', 'trustee-az-snp-v1', 'trustee-az-tdx-v0']) {
    const file = recorded(t, name);
    if (tpm === null || file === null) return;
    const opened = holding(openTpm(tpm.address), file('hcl_report.bin'));
    const opening = openAzureCvmProvider({ tpm: opened, collateral: NOTHING, metadata: nobody });
    await assert.rejects(opening, isFailure(/quotes with another key than the report of the paravisor names/));
  }
});

test('genuine certificates, as the host caches them, are those of the genuine report, and others are passed over', async (t) => {
  const file = recorded(t, 'cmcp-azure-cvm-2026-07-20');
  if (file === null) return;
  const report = parseSnpReport(file('report.bin'));
  assert.deepEqual(report.reportData.subarray(0, 32), sha256(file('runtime_data.bin')));
  assert.equal(parseParavisorData(file('runtime_data.bin')).attestationKey.kind, 'rsa');
  const certificateChain = new TextDecoder().decode(file('chain.pem'));
  const host =
    (vcek: Bytes): MetadataFetch =>
    async () =>
      encodeUtf8(
        JSON.stringify({ vcekCert: pemOf('CERTIFICATE', vcek), certificateChain, tcbm: '', cacheControl: '86400' }),
      );
  const { kind, chain } = await snpCertificates(report, null, withHostCertificates(NOTHING, host(file('vcek.der'))));
  assert.deepEqual([kind, chain.length], ['vcek', 3]);
  const other = recorded(t, 'trustee-az-snp-v0');
  assert.ok(other);
  await assert.rejects(
    snpCertificates(report, null, withHostCertificates(NOTHING, host(other('vcek.der')))),
    /no certificate of the VCEK/,
  );
});

const ASSET_TAG = '7783-7084-3265-9085-8269-3286-77\n';

async function detected(tpm: Pick<SoftwareTpm, 'address'>, tag: string | null) {
  const readFile = async () => {
    if (tag === null) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    return encodeUtf8(tag);
  };
  return detectAzureCvm(tpm.address, { files: { readFile, readdir: async () => [] }, tpm: tpmSurroundings, openTpm });
}

test('a confidential VM is told from other machines of Azure by the report in its virtual TPM, and asked only on Azure', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  assert.match((await detected(tpm, ASSET_TAG)).reason, /not a confidential one/);
  await snpGuest(tpm);
  assert.equal((await detected(tpm, ASSET_TAG)).available, true);
  for (const tag of [null, '', 'No Asset Tag\n'])
    assert.match((await detected(tpm, tag)).reason, /no virtual machine of Azure/);
  const gone = { address: { kind: 'unix', path: '/nowhere/socket' } } as const;
  const { available, reason, remedy } = await detected(gone, ASSET_TAG);
  assert.deepEqual([available, remedy !== null], [false, true]);
  assert.match(reason, /its virtual TPM is needed/);
});
