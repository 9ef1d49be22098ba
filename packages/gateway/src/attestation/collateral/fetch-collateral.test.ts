import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type SnpProduct, type TrustAnchor, VENDOR_ANCHORS, verifyEvidence } from '@cmcp/evidence';
import { errno, HASTY, snpMachine, TsmDouble, tdxMachine } from '../../../../../tests/support/tsm-double.ts';
import {
  kdsAnswers,
  pcsAnswers,
  type VendorService,
  vendorService,
} from '../../../../../tests/support/vendor-service.ts';
import { INTERMEDIATE_SERIAL, type SnpOptions } from '../../../../evidence/src/testing/snp.ts';
import { makeTdx, TDX_AT, type TdxOptions } from '../../../../evidence/src/testing/tdx.ts';
import { GatewayError } from '../../errors.ts';
import { systemTimers } from '../../timers.ts';
import { systemTsmFs } from '../tsm/fs.ts';
import { openSevSnpProvider } from '../tsm/sev-snp.ts';
import { openTdxProvider } from '../tsm/tdx.ts';
import { type FetchRequest, fetchCollateral } from './fetch-collateral.ts';
import { networkFetcher } from './fetcher.ts';
import { CollateralFolder } from './folder.ts';
import { machineSubject, quoteSubject, reportSubject } from './subject.ts';

// Services and evidence are test doubles under generated roots: neither AMD nor Intel was asked.

const DATA = new Uint8Array(64).fill(3);
const FMSPC = '50806f000000';
const unavailable = (words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'COLLATERAL_UNAVAILABLE' && words.test(error.detail);

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'collateral-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

interface Fetching {
  service: VendorService;
  folder: string;
  anchors: readonly TrustAnchor[];
  fetch(changes?: Partial<FetchRequest> & { anchors?: readonly TrustAnchor[]; at?: number }): Promise<string[]>;
}

async function fetching(
  t: TestContext,
  subject: FetchRequest['subject'],
  service: VendorService,
  root: TrustAnchor,
): Promise<Fetching> {
  const folder = await temporaryFolder(t);
  const fetch: Fetching['fetch'] = ({ anchors = [root], at = TDX_AT, ...changes } = {}) => {
    const request = { subject, folder, product: null, kds: service.url, pcs: service.url, ...changes };
    return fetchCollateral(request, { fetch: networkFetcher(systemTimers), say: () => undefined }, { anchors, at });
  };
  return { service, folder, anchors: [root], fetch };
}

const stored = async (folder: string) =>
  (await readdir(folder, { recursive: true })).filter((path) => path.includes('.'));

async function amd(t: TestContext, report: SnpOptions, vcekPath: string) {
  const machine = await snpMachine({ report, hostCertificates: false });
  const { files, root } = machine.made;
  const service = await vendorService(t, kdsAnswers(report.product ?? 'Milan', vcekPath, files));
  return { ...machine, ...(await fetching(t, reportSubject(files.report), service, root)) };
}

const CHIP = 'c4'.repeat(64);
const LEVELS = 'blSPL=09&teeSPL=01&snpSPL=23&ucodeSPL=72';
const PRODUCTS: [SnpProduct, string][] = [
  ['Milan', `${CHIP}?${LEVELS}`],
  ['Genoa', `${CHIP}?${LEVELS}`],
  ['Turin', `${'c4'.repeat(8)}?fmcSPL=01&${LEVELS}`],
];

for (const [product, path] of PRODUCTS) {
  test(`for a report of ${product} the certificates are fetched, checked and used`, async (t) => {
    const { fetch, folder, double, root, at, service } = await amd(t, { product }, path);
    const files = await fetch();
    assert.equal(service.asked[0], `/vcek/v1/${product}/${path}`);
    assert.deepEqual((await stored(folder)).sort(), files.toSorted());
    const collateral = new CollateralFolder(folder, systemTsmFs);
    const provider = await openSevSnpProvider({ ...HASTY, fs: double, collateral });
    const { files: evidence } = await provider.collectLive(DATA);
    const verdict = await verifyEvidence('sev-snp', evidence, { at, anchors: [root], userData: DATA });
    assert.equal(verdict.acceptable, true, verdict.summary);
    for (const file of files) assert.equal((await stat(join(folder, file))).mode & 0o777, 0o644);
  });
}

test('fetching again replaces what was there', async (t) => {
  const { fetch, folder } = await amd(t, {}, `${CHIP}?${LEVELS}`);
  await fetch();
  await fetch();
  assert.equal((await stored(folder)).length, 3);
});

test('what does not prove itself by the report is not stored', async (t) => {
  const good = await amd(t, {}, `${CHIP}?${LEVELS}`);
  const refuse = async (words: RegExp, changes: Parameters<Fetching['fetch']>[0] = {}) => {
    await assert.rejects(good.fetch(changes), unavailable(words));
    assert.deepEqual(await stored(good.folder), []);
  };
  await refuse(/does not make the evidence authentic: .*Nothing was stored$/, { anchors: VENDOR_ANCHORS });
  await refuse(/does not make the evidence authentic/, { at: Date.UTC(2035) / 1000 });
  const { answers } = good.service;
  const kept = new Map(answers);
  const other = await snpMachine({ report: { chipId: new Uint8Array(64).fill(1) } });
  const revoked = await snpMachine({ report: { crl: { revoked: [INTERMEDIATE_SERIAL] } } });
  const foreign = await snpMachine({ report: { crl: { signedBy: 'intermediate' } } });
  const cases: [string, Uint8Array | string | undefined, RegExp][] = [
    [`/vcek/v1/Milan/${CHIP}?${LEVELS}`, other.made.files.vcek, /does not make the evidence authentic/],
    [`/vcek/v1/Milan/${CHIP}?${LEVELS}`, 'hello', /does not make the evidence authentic/],
    ['/vcek/v1/Milan/cert_chain', 'hello', /does not make the evidence authentic/],
    ['/vcek/v1/Milan/crl', 'hello', /cannot be relied on/],
    ['/vcek/v1/Milan/crl', revoked.made.files.crl, /has revoked/],
    ['/vcek/v1/Milan/crl', foreign.made.files.crl, /cannot be relied on/],
  ];
  for (const [path, body, words] of cases) {
    answers.set(path, { body: body ?? '' });
    await refuse(words);
    answers.set(path, kept.get(path) ?? {});
  }
  await good.fetch();
});

test('a report must say whose certificate is to be fetched', async (t) => {
  const hidden = await amd(t, { chipId: new Uint8Array(64) }, CHIP);
  await assert.rejects(hidden.fetch(), unavailable(/hides its chip/));
  const unsigned = await amd(t, { signingKey: 'none' }, CHIP);
  await assert.rejects(unsigned.fetch(), unavailable(/no key signed it/));
  const unknown = await amd(t, { cpuid: [0x19, 0x7f, 0] }, CHIP);
  await assert.rejects(unknown.fetch(), unavailable(/not known here/));
  const other = await amd(t, {}, CHIP);
  await assert.rejects(other.fetch({ product: 'Genoa' }), unavailable(/of Milan, not of Genoa/));
  assert.deepEqual(
    [hidden, unsigned, unknown, other].flatMap(({ service }) => service.asked),
    [],
  );
  const old = await amd(t, { version: 2, product: 'Genoa' }, `${CHIP}?${LEVELS}`);
  await assert.rejects(old.fetch(), unavailable(/give --product/));
  assert.equal((await old.fetch({ product: 'Genoa' })).length, 3);
});

test('for a report of a VLEK its host has the certificate, and AMD what issued it', async (t) => {
  const { double, made, root } = await snpMachine({ report: { signingKey: 'vlek' } });
  const answers = kdsAnswers('Milan', '', made.files).map(
    ([path, answer]) => [path.replace('/vcek/', '/vlek/'), answer] as const,
  );
  const service = await vendorService(
    t,
    answers.map(([path, answer]) => [path, answer]),
  );
  const subject = await machineSubject({ ...HASTY, fs: double });
  const { fetch } = await fetching(t, subject, service, root);
  assert.deepEqual(
    (await fetch()).map((path) => path.replace(/[0-9a-f]{16}/, 'TCB')),
    ['sev-snp/milan/vlek/TCB.der', 'sev-snp/milan/vlek-chain.pem', 'sev-snp/milan/vlek-crl.der'],
  );
  await assert.rejects(
    fetch({ subject: reportSubject(made.files.report) }),
    unavailable(/run the command there, without --report/),
  );
});

async function intel(t: TestContext, options: TdxOptions = {}) {
  const made = await makeTdx(options);
  const { quote, ...files } = made.files;
  assert.ok(quote);
  const service = await vendorService(t, pcsAnswers(FMSPC, files));
  return { made, ...(await fetching(t, quoteSubject(quote), service, made.root)) };
}

test('for a quote the collateral is fetched, checked and used', async (t) => {
  const machine = await tdxMachine();
  const service = await vendorService(t, pcsAnswers(FMSPC, machine.made.files));
  const subject = await machineSubject({ ...HASTY, fs: machine.double });
  const { fetch, folder } = await fetching(t, subject, service, machine.root);
  const files = await fetch();
  assert.deepEqual((await stored(folder)).sort(), files.toSorted());
  const collateral = new CollateralFolder(folder, systemTsmFs);
  const provider = await openTdxProvider({ ...HASTY, fs: machine.double, collateral });
  const { files: evidence } = await provider.collectLive(DATA);
  const verdict = await verifyEvidence('tdx', evidence, { at: machine.at, anchors: [machine.root], userData: DATA });
  assert.equal(verdict.acceptable, true, verdict.summary);
  assert.equal(machine.double.entries.size, 0);
});

test('lists come as DER from Intel and as hex from caches', async (t) => {
  const { service, fetch, made } = await intel(t);
  await fetch();
  service.answers.set('/sgx/certification/v4/rootcacrl', { body: made.files.root_crl ?? '' });
  await fetch();
});

test('collateral that does not prove itself by the quote is not stored', async (t) => {
  const good = await intel(t);
  const { service, folder } = good;
  const refuse = async (words: RegExp, changes: Parameters<Fetching['fetch']>[0] = {}) => {
    await assert.rejects(good.fetch(changes), unavailable(words));
    assert.deepEqual(await stored(folder), []);
  };
  await refuse(/does not make the evidence authentic/, { anchors: VENDOR_ANCHORS });
  await refuse(/cannot be relied on: .*renewed/, { at: TDX_AT + 60 * 86_400 });
  const kept = new Map(service.answers);
  for (const [path, answer] of kept) {
    if (typeof answer === 'function') continue;
    service.answers.set(path, { ...answer, body: 'hello' });
    await refuse(/cannot be relied on/);
    service.answers.set(path, { ...answer, body: 'abc' });
    await refuse(/cannot be relied on|revocation list/);
    for (const name of Object.keys(answer.headers ?? {})) {
      service.answers.set(path, { body: answer.body ?? '' });
      await refuse(new RegExp(`no header ${name}`, 'i'));
      service.answers.set(path, { ...answer, headers: { [name]: 'a b' } });
      await refuse(/not percent-encoded/);
      service.answers.set(path, { ...answer, headers: { [name]: '-----BEGIN' } });
      await refuse(/cannot be relied on/);
    }
    service.answers.set(path, answer);
  }
  await good.fetch();
});

test('collateral that takes the platform back, or is about another, is not stored', async (t) => {
  const cases: [TdxOptions, RegExp][] = [
    [{ revoked: ['pck'] }, /is revoked/],
    [{ revoked: ['signer'] }, /is revoked/],
    [{ tcbInfo: (body) => ({ ...body, fmspc: '000000000000' }) }, /is about FMSPC 000000000000/],
  ];
  for (const [options, words] of cases) {
    const { fetch, folder } = await intel(t, options);
    await assert.rejects(fetch(), unavailable(words));
    assert.deepEqual(await stored(folder), []);
  }
});

test('collateral of a platform that is out of date is stored: whether that is acceptable is for who verifies', async (t) => {
  const { fetch } = await intel(t, {
    qeIdentity: (body) => ({ ...body, tcbLevels: [{ tcb: { isvsvn: 1 }, tcbStatus: 'OutOfDate' }] }),
  });
  assert.equal((await fetch()).length, 7);
});

test('a quote without a PCK certificate names no platform', async (t) => {
  const { fetch } = await intel(t, { chain: 'beside' });
  await assert.rejects(fetch(), unavailable(/brings no PCK certificate/));
});

test('a machine without such evidence, a file that is none and an address that is none are told so', async (t) => {
  const double = new TsmDouble({ provider: null, generate: () => Promise.reject(errno('EIO')) });
  await assert.rejects(
    machineSubject({ ...HASTY, fs: double }),
    unavailable(/gives no evidence: .*--report FILE, --quote FILE/),
  );
  const { double: other } = await snpMachine();
  const real = other.readFile.bind(other);
  other.readFile = (path, most) =>
    path.endsWith('/provider') ? Promise.resolve(new TextEncoder().encode('arm_cca_guest\n')) : real(path, most);
  await assert.rejects(
    machineSubject({ ...HASTY, fs: other }),
    unavailable(/arm_cca_guest answers, whose evidence is not known here/),
  );
  assert.throws(() => reportSubject(new Uint8Array(5)), unavailable(/the report cannot be read/));
  assert.throws(() => quoteSubject(new Uint8Array(5)), unavailable(/the quote cannot be read/));
  const { fetch } = await amd(t, {}, CHIP);
  await assert.rejects(fetch({ kds: 'nowhere' }), unavailable(/"nowhere" is no URL/));
});
