import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { issueCrl, testAnchor } from '../../testing/pki.ts';
import { type CollateralBody, makeTdx, pemChain, TDX_AT, TDX_PLATFORM, type TdxOptions } from '../../testing/tdx.ts';
import { makeTdxPki, type TdxPki } from '../../testing/tdx-pki.ts';
import { filled, QE_ATTRIBUTES, SOUND_SVN } from '../../testing/tdx-quote.ts';
import type { EvidenceFiles } from '../given.ts';
import type { EvidencePolicy } from '../policy.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { tdxEvidence } from './evidence.ts';

const PKI = await makeTdxPki(TDX_PLATFORM);
const DAY = 86_400;

async function judge(
  options: TdxOptions,
  change: (files: Record<string, Uint8Array<ArrayBuffer>>) => EvidenceFiles = (files) => files,
  policy: EvidencePolicy['tdx'] = {},
): Promise<EvidenceVerdict> {
  const { files, at, root } = await makeTdx({ pki: PKI, ...options });
  const verdict = await tdxEvidence(change({ ...files }), { at, anchors: [root], policy: { tdx: policy } });
  assert.equal(verdict.authentic, true);
  return verdict;
}

function outcomeOf(verdict: EvidenceVerdict, id: string): string | undefined {
  return verdict.checks.find((check) => check.id === id)?.outcome;
}

/** Not acceptable, this check failed, and the status is not called anything. */
function assertUnknown(verdict: EvidenceVerdict, id: string, message: RegExp): void {
  assert.deepEqual(
    [verdict.acceptable, outcomeOf(verdict, id), verdict.facts.tcb_status],
    [false, 'failed', 'unknown'],
  );
  assert.match(verdict.checks.find((check) => check.id === id)?.detail ?? '', message);
}

function assertRefused(verdict: EvidenceVerdict, id: string, message: RegExp): void {
  const failed = verdict.checks.filter(({ outcome }) => outcome === 'failed');
  assert.deepEqual([verdict.acceptable, failed.map((check) => check.id)], [false, [id]]);
  assert.match(failed[0]?.detail ?? '', message);
}

function without(...roles: string[]) {
  return (files: Record<string, Uint8Array<ArrayBuffer>>): EvidenceFiles =>
    Object.fromEntries(Object.entries(files).filter(([role]) => !roles.includes(role)));
}

const set = (changes: CollateralBody) => (body: CollateralBody) => ({ ...body, ...changes });
const iso = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

test('without collateral the TCB status is unknown, never up to date, and the verdict is open', async () => {
  const verdict = await judge({ collateral: false });
  assert.deepEqual([verdict.acceptable, verdict.facts.tcb_status], [null, 'unknown']);
  for (const id of [
    'tdx.tcb_info',
    'tdx.module_identity',
    'tdx.qe_identity',
    'tdx.tcb_status',
    'tdx.pck_crl',
    'tdx.root_crl',
  ]) {
    const check = verdict.checks.find((each) => each.id === id);
    assert.deepEqual([check?.outcome, check?.required], ['not checked', true], id);
  }
});

test('each part of the collateral that is missing leaves the verdict open', async () => {
  for (const role of ['tcb_info', 'tcb_chain', 'qe_identity', 'qe_chain', 'pck_crl', 'root_crl']) {
    const verdict = await judge({}, without(role));
    assert.equal(verdict.acceptable, null, role);
    const status = role.endsWith('crl') ? 'UpToDate' : 'unknown';
    assert.equal(verdict.facts.tcb_status, status, role);
  }
});

test('a bad status of the platform is said also without a QE identity', async () => {
  const old = { guest: { teeTcbSvn: Uint8Array.from(SOUND_SVN, (svn, i) => (i === 0 ? 4 : svn)) } };
  const verdict = await judge(old, without('qe_identity', 'qe_chain'));
  assert.deepEqual([verdict.acceptable, verdict.facts.tcb_status], [false, 'OutOfDate']);
});

test('TCB info and QE identity that Intel did not sign say nothing', async () => {
  for (const [role, id] of [
    ['tcb_info', 'tdx.tcb_info'],
    ['qe_identity', 'tdx.qe_identity'],
  ] as const) {
    const garbled = (files: Record<string, Uint8Array<ArrayBuffer>>) => ({ ...files, [role]: encodeUtf8('{}') });
    assertUnknown(await judge({}, garbled), id, /no member/);
    const changed = (files: Record<string, Uint8Array<ArrayBuffer>>) => {
      const text = Buffer.from(files[role] ?? []).toString();
      return { ...files, [role]: encodeUtf8(text.replace('"version":', '"version": ')) };
    };
    assertUnknown(await judge({}, changed), id, /did not sign/);
  }
  const other = await makeTdxPki(TDX_PLATFORM);
  assertUnknown(await judge({ signer: other.signer }), 'tdx.tcb_info', /chain/);
  assertUnknown(await judge({ signer: other.signer }), 'tdx.qe_identity', /chain/);
});

test('keys that Intel certified for something else do not speak for Intel', async () => {
  assertUnknown(await judge({ signer: PKI.pck }), 'tdx.tcb_info', /none of the certificates .* TCB Signing/);
  const ofCa = await makeTdxPki(TDX_PLATFORM, { signer: { issuer: 'ca' } });
  const { files, at, root } = await makeTdx({ pki: ofCa });
  const tcb_chain = encodeUtf8(pemChain(ofCa.signer, ofCa.ca, ofCa.root));
  const verdict = await tdxEvidence({ ...files, tcb_chain, qe_chain: tcb_chain }, { at, anchors: [root] });
  assertUnknown(verdict, 'tdx.tcb_info', /root did not issue/);
  assertUnknown(verdict, 'tdx.qe_identity', /root did not issue/);
  const expired = await makeTdxPki(TDX_PLATFORM, { signer: { notAfter: TDX_AT - 1 } });
  assertUnknown(await judge({ pki: expired }), 'tdx.tcb_info', /expired/);
});

test('collateral under another trusted root than the quote is refused', async () => {
  const [mine, other] = [await makeTdx({ pki: PKI }), await makeTdx()];
  const { tcb_info, tcb_chain } = other.files;
  const files = { ...mine.files, ...(tcb_info && tcb_chain ? { tcb_info, tcb_chain } : {}) };
  const verdict = await tdxEvidence(files, { at: mine.at, anchors: [mine.root, other.root] });
  assert.equal(verdict.authentic, true);
  assertUnknown(verdict, 'tdx.tcb_info', /chain/);
});

test('collateral of another platform, TEE or version is refused', async () => {
  assertUnknown(await judge({ tcbInfo: set({ fmspc: '00906ED50000' }) }), 'tdx.tcb_info', /FMSPC/);
  assertUnknown(await judge({ tcbInfo: set({ pceId: '0001' }) }), 'tdx.tcb_info', /PCE/);
  assertUnknown(await judge({ tcbInfo: set({ id: 'SGX' }) }), 'tdx.tcb_info', /for SGX/);
  assertUnknown(await judge({ tcbInfo: set({ version: 2 }) }), 'tdx.tcb_info', /version 2/);
  assertUnknown(await judge({ tcbInfo: set({ tcbType: 1 }) }), 'tdx.tcb_info', /TCB type 1/);
  assertUnknown(await judge({ qeIdentity: set({ id: 'QE' }) }), 'tdx.qe_identity', /for QE/);
  assertUnknown(await judge({ qeIdentity: set({ version: 3 }) }), 'tdx.qe_identity', /version 3/);
});

test('collateral holds from its issue until its next update, and not at that moment', async () => {
  for (const [document, id] of [
    ['tcbInfo', 'tdx.tcb_info'],
    ['qeIdentity', 'tdx.qe_identity'],
  ] as const) {
    assertUnknown(await judge({ [document]: set({ nextUpdate: iso(TDX_AT) }) }), id, /was to be renewed/);
    assertUnknown(await judge({ [document]: set({ issueDate: iso(TDX_AT + 1) }) }), id, /not come yet/);
    assertUnknown(await judge({ [document]: set({ nextUpdate: '2026-13-01T00:00:00Z' }) }), id, /not a date/);
    const last = { issueDate: iso(TDX_AT), nextUpdate: iso(TDX_AT + 1) };
    assert.equal((await judge({ [document]: set(last) })).acceptable, true);
  }
});

test('documents that are signed and not as they should be say nothing', async () => {
  const levels = (change: (level: CollateralBody) => CollateralBody) => (body: CollateralBody) => ({
    ...body,
    tcbLevels: (body.tcbLevels as CollateralBody[]).map(change),
  });
  const status = levels((level) => ({ ...level, tcbStatus: 'Excellent' }));
  assertUnknown(await judge({ tcbInfo: status }), 'tdx.tcb_info', /one of/);
  assertUnknown(await judge({ qeIdentity: status }), 'tdx.qe_identity', /one of/);
  const short = levels((level) => ({ ...level, tcb: { sgxtcbcomponents: [], pcesvn: 0, tdxtcbcomponents: [] } }));
  assertUnknown(await judge({ tcbInfo: short }), 'tdx.tcb_info', /0 components/);
  assertUnknown(await judge({ tcbInfo: set({ tdxModule: null }) }), 'tdx.tcb_info', /tdxModule/);
  assertUnknown(await judge({ qeIdentity: set({ mrsigner: 'dc' }) }), 'tdx.qe_identity', /mrsigner/);
  assertUnknown(await judge({ qeIdentity: set({ isvprodid: 2.5 }) }), 'tdx.qe_identity', /isvprodid/);
  assert.equal((await judge({ tcbInfo: set({ tcbLevels: [] }) })).facts.tcb_status, 'NotSupported');
});

test('only UpToDate is acceptable by default; the policy can accept more, but not what Intel revoked or does not know', async () => {
  const levelled = (tcbStatus: string) => ({
    tcbInfo: (body: CollateralBody) => ({
      ...body,
      tcbLevels: (body.tcbLevels as CollateralBody[]).map((level) => ({ ...level, tcbStatus })),
    }),
  });
  const waivable = ['SWHardeningNeeded', 'ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded', 'OutOfDate'];
  for (const status of [...waivable, 'OutOfDateConfigurationNeeded']) {
    const refused = await judge(levelled(status));
    assertRefused(refused, 'tdx.tcb_status', new RegExp(status));
    assert.equal(refused.facts.tcb_status, status);
    const other = await judge(levelled(status), undefined, { allowTcbStatus: ['Revoked', 'UpToDate'] });
    assertRefused(other, 'tdx.tcb_status', new RegExp(status));
    assert.equal((await judge(levelled(status), undefined, { allowTcbStatus: [status] })).acceptable, true);
  }
  assertRefused(
    await judge(levelled('Revoked'), undefined, { allowTcbStatus: ['Revoked'] }),
    'tdx.tcb_status',
    /Revoked/,
  );
  const unknown = await judge({ tcbInfo: set({ tcbLevels: [] }) }, undefined, { allowTcbStatus: ['NotSupported'] });
  assertRefused(unknown, 'tdx.tcb_status', /NotSupported/);
  const missing = await judge({ collateral: false }, undefined, { allowTcbStatus: ['unknown'] });
  assert.equal(missing.acceptable, null);
});

test('platform, TDX module and quoting enclave count: the worst of their statuses is that of the TCB', async () => {
  const svn = (...first: number[]) => Uint8Array.from(SOUND_SVN, (value, i) => first[i] ?? value);
  const status = async (options: TdxOptions) => (await judge(options)).facts.tcb_status;
  assert.equal(await status({}), 'UpToDate');
  assert.equal(await status({ guest: { teeTcbSvn: svn(4) } }), 'OutOfDate');
  assert.equal(await status({ guest: { teeTcbSvn: svn(5, 1, 2) } }), 'OutOfDate');
  assert.equal(await status({ guest: { teeTcbSvn: svn(2) } }), 'NotSupported');
  assert.equal(await status({ qe: { isvSvn: 5 } }), 'OutOfDate');
  assert.equal(await status({ qe: { isvSvn: 3 } }), 'NotSupported');
  assert.equal(await status({ version: 5, guest: { teeTcbSvn2: svn(4) } }), 'OutOfDate');
  const pki = await makeTdxPki({ ...TDX_PLATFORM, pceSvn: 10, components: filled(16, 1) });
  assert.equal(await status({ pki }), 'OutOfDate');
  const verdict = await judge({ guest: { teeTcbSvn: svn(4, 1, 2) }, qe: { isvSvn: 4 } });
  assert.equal(verdict.facts.advisories, 'INTEL-SA-00960,INTEL-SA-01036,INTEL-SA-01073');
});

test('advisories that apply must be ones that the policy lists, where it lists any', async () => {
  const old = { qe: { isvSvn: 4 } };
  const allowTcbStatus = ['OutOfDate'];
  assert.equal((await judge(old, undefined, { allowTcbStatus })).acceptable, true);
  const listed = { allowTcbStatus, allowAdvisories: ['INTEL-SA-01073'] };
  assert.equal((await judge(old, undefined, listed)).acceptable, true);
  assertRefused(
    await judge(old, undefined, { allowTcbStatus, allowAdvisories: [] }),
    'tdx.advisories',
    /INTEL-SA-01073/,
  );
});

test('a TDX module that the TCB info does not know is refused', async () => {
  const svn = Uint8Array.from(SOUND_SVN, (value, i) => (i === 1 ? 2 : value));
  const verdict = await judge({ guest: { teeTcbSvn: svn } });
  assert.deepEqual([verdict.acceptable, outcomeOf(verdict, 'tdx.module_identity')], [false, 'failed']);
});

test("a quoting enclave that is not Intel's, or is in debug mode, is refused", async () => {
  assertRefused(await judge({ qe: { mrSigner: filled(32, 1) } }), 'tdx.qe_identity', /signer/);
  assertRefused(await judge({ qe: { isvProdId: 1 } }), 'tdx.qe_identity', /product/);
  assertRefused(await judge({ qe: { miscSelect: filled(4, 1) } }), 'tdx.qe_identity', /MISCSELECT/);
  const attributes = QE_ATTRIBUTES.map((byte, i) => (i === 1 ? 1 : byte));
  assertRefused(await judge({ qe: { attributes } }), 'tdx.qe_identity', /attributes/);
  const debug = { qe: { attributes: QE_ATTRIBUTES.map((byte, i) => (i === 0 ? byte | 2 : byte)) } };
  assertRefused(await judge(debug), 'tdx.qe_identity', /debug/);
  assert.equal((await judge({ ...debug, collateral: false })).acceptable, false);
});

test('a revoked certificate is named: that of the platform, of its CA, of the signer of the collateral', async () => {
  assertRefused(await judge({ revoked: ['pck'] }), 'tdx.pck_crl', /SGX PCK Certificate.* is revoked/);
  assertRefused(await judge({ revoked: ['ca'] }), 'tdx.root_crl', /PCK Platform CA.* is revoked/);
  assertRefused(await judge({ revoked: ['signer'] }), 'tdx.root_crl', /TCB Signing.* is revoked/);
});

test('a CRL that its issuer did not sign, of another CA, not fresh, garbled or empty is no CRL', async () => {
  const [from, to] = [TDX_AT - DAY, TDX_AT + DAY];
  const other = await makeTdxPki(TDX_PLATFORM);
  for (const [role, id, issuer, wrong] of [
    ['pck_crl', 'tdx.pck_crl', 'ca', 'root'],
    ['root_crl', 'tdx.root_crl', 'root', 'ca'],
  ] as [string, string, keyof TdxPki, keyof TdxPki][]) {
    const crls: [Uint8Array<ArrayBuffer>, RegExp][] = [
      [
        await issueCrl({ issuer: { ...PKI[issuer], keys: other[issuer].keys }, thisUpdate: from, nextUpdate: to }),
        /signature/,
      ],
      [await issueCrl({ issuer: PKI[wrong], thisUpdate: from, nextUpdate: to }), /is not a list of/],
      [await issueCrl({ issuer: PKI[issuer], thisUpdate: from - 2 * DAY, nextUpdate: TDX_AT - 1 }), /expired/],
      [await issueCrl({ issuer: PKI[issuer], thisUpdate: TDX_AT + 1, nextUpdate: to }), /not valid before/],
      [filled(200, 0x30), /CRL/],
      [new Uint8Array(), /CRL/],
    ];
    for (const [crl, message] of crls) {
      assertRefused(await judge({}, (files) => ({ ...files, [role]: crl })), id, message);
    }
    const good = await issueCrl({ issuer: PKI[issuer], revoked: ['0badf00d'], thisUpdate: from, nextUpdate: to });
    assert.equal((await judge({}, (files) => ({ ...files, [role]: good }))).acceptable, true);
  }
});

test('a chain of the PCK CRL must be that of the CA that issued the PCK certificate', async () => {
  const other = await makeTdxPki(TDX_PLATFORM);
  const chain = (text: string) => (files: EvidenceFiles) => ({ ...files, pck_crl_chain: encodeUtf8(text) });
  assertRefused(await judge({}, chain(other.ca.pem)), 'tdx.pck_crl_chain', /another CA/);
  assertRefused(await judge({}, chain('no certificate')), 'tdx.pck_crl_chain', /PEM/);
  assert.equal((await judge({}, without('pck_crl_chain'))).acceptable, true);
});

test('a bundle is a source of every part that is not given by itself', async () => {
  const { files, bundle, at } = await makeTdx({ pki: PKI });
  const verdict = (more: EvidenceFiles) => tdxEvidence(more, { at, anchors: [testAnchor(PKI.root, 'intel-sgx')] });
  const quote = files.quote ?? new Uint8Array();
  assert.equal((await verdict({ quote, collateral: bundle })).acceptable, true);
  const own = await verdict({ quote, collateral: bundle, pck_crl: new Uint8Array() });
  assert.deepEqual([own.acceptable, outcomeOf(own, 'tdx.pck_crl')], [false, 'failed']);
  const parts = JSON.parse(Buffer.from(bundle).toString()) as Record<string, string>;
  const changed = (change: Record<string, unknown>) => encodeUtf8(JSON.stringify({ ...parts, ...change }));
  const no = async (change: Record<string, unknown>) => verdict({ quote, collateral: changed(change) });
  assert.equal((await no({ tcb_info: ` ${parts.tcb_info}` })).acceptable, false);
  for (const tcb_info_signature of [undefined, '', 'zz'.repeat(64), '00'.repeat(63)]) {
    assert.equal((await no({ tcb_info_signature })).acceptable, false);
  }
  assert.equal((await no({ qe_identity_signature: parts.tcb_info_signature })).acceptable, false);
  assert.equal((await no({ pck_crl: undefined })).acceptable, null);
  for (const collateral of [encodeUtf8('[]'), changed({ pck_crl: 'zz' }), changed({ tcb_info: {} })]) {
    const bad = await verdict({ ...files, collateral });
    assertRefused(bad, 'tdx.collateral', /collateral/);
  }
});
