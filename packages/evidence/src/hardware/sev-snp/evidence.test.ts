import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHex } from '../../bytes/hex.ts';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { sha256Hex } from '../../crypto/sha256.ts';
import { VENDOR_ANCHORS } from '../../roots/vendor.ts';
import { INTERMEDIATE_SERIAL, type MadeSnp, makeSnp, type SnpOptions, tcbOf } from '../../testing/snp.ts';
import { type VectorCase, vectorCases } from '../../testing/vectors.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import type { EvidencePolicy } from '../policy.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { snpEvidence } from './evidence.ts';

const AT = Date.UTC(2026, 6, 1) / 1000;
const VENDOR = { at: AT, anchors: VENDOR_ANCHORS };

function given(made: MadeSnp, more: Partial<EvidenceGiven> = {}): EvidenceGiven {
  return { at: AT, anchors: [made.root], ...more };
}

async function verdict(options: SnpOptions, more: Partial<EvidenceGiven> = {}): Promise<EvidenceVerdict> {
  const made = await makeSnp(options);
  return snpEvidence(made.files, given(made, more));
}

function check(found: EvidenceVerdict, id: string) {
  return found.checks.find((each) => each.id === id);
}

/** The ids of the checks that failed. */
function failures(found: EvidenceVerdict): string[] {
  return found.checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
}

function genuine(id = 'cmcp-azure-milan-v3'): VectorCase | null {
  return vectorCases('sev-snp', 'amd-sev')?.find((each) => each.id === id) ?? null;
}

function flipped(bytes: Uint8Array<ArrayBuffer>, at: number, bit: number): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

test('all genuine and derived reports of the manifest get the verdict that they should, under the vendor roots', async (t) => {
  const cases = vectorCases('sev-snp', 'amd-sev');
  if (cases === null) return t.skip('the shared vectors are not here');
  assert.ok(cases.length >= 11);
  for (const { id, files, at, expect, anchors } of cases) {
    for (const roots of [anchors, VENDOR_ANCHORS]) {
      const found = await snpEvidence(files, { at, anchors: roots });
      assert.equal(found.authentic, expect.authentic, `${id}: ${found.summary}`);
      assert.equal(found.acceptable, expect.acceptable, `${id}: ${found.summary}`);
      if (found.authentic) assert.equal(found.root?.source, 'vendor');
    }
  }
});

test('nothing supplied, wrong supplied, right supplied', async (t) => {
  const right = genuine();
  if (right === null) return t.skip('the shared vectors are not here');
  const { files, at } = right;
  const nothing = await snpEvidence({}, { at, anchors: VENDOR_ANCHORS });
  assert.deepEqual([nothing.authentic, nothing.acceptable, nothing.root], [false, false, null]);
  assert.equal(check(nothing, 'sev-snp.report')?.outcome, 'not checked');
  for (const role of Object.keys(files)) {
    const less = Object.fromEntries(Object.entries(files).filter(([name]) => name !== role));
    const lacking = await snpEvidence(less, { at, anchors: VENDOR_ANCHORS });
    assert.equal(lacking.authentic, false, `without ${role}`);
    const garbage = await snpEvidence(
      { ...files, [role]: encodeUtf8('no such thing') },
      { at, anchors: VENDOR_ANCHORS },
    );
    assert.equal(garbage.authentic, false, `garbage as ${role}`);
  }
  const trusting = await snpEvidence(files, { at, anchors: [] });
  assert.deepEqual([trusting.authentic, trusting.root], [false, null]);
  const good = await snpEvidence(files, { at, anchors: VENDOR_ANCHORS });
  assert.deepEqual([good.authentic, good.acceptable], [true, true]);
  assert.equal(good.root?.name, 'AMD ARK Milan');
});

test('no bit of the signed part or of the signature can be changed', async (t) => {
  const right = genuine();
  if (right === null) return t.skip('the shared vectors are not here');
  const { files, at } = right;
  const report = files.report ?? new Uint8Array();
  const offsets = Array.from({ length: 0x330 }, (_, i) => i);
  for (const offset of offsets) {
    const changed = { ...files, report: flipped(report, offset, offset % 8) };
    const found = await snpEvidence(changed, { at, anchors: VENDOR_ANCHORS });
    assert.equal(found.authentic, false, `bit ${offset % 8} of byte ${offset}`);
  }
});

test('no byte after the signature and no length can be changed', async (t) => {
  const right = genuine();
  if (right === null) return t.skip('the shared vectors are not here');
  const { files, at } = right;
  const report = files.report ?? new Uint8Array();
  for (let offset = 0x330; offset < report.length; offset++) {
    const found = await snpEvidence({ ...files, report: flipped(report, offset, 0) }, { at, anchors: VENDOR_ANCHORS });
    assert.equal(found.authentic, false);
  }
  for (const other of [report.slice(0, -1), Uint8Array.of(...report, 0), report.slice(0, 0x2a0)]) {
    assert.equal((await snpEvidence({ ...files, report: other }, { at, anchors: VENDOR_ANCHORS })).authentic, false);
  }
});

test('no bit of the VCEK certificate can be changed', async (t) => {
  const right = genuine();
  if (right === null) return t.skip('the shared vectors are not here');
  const { files, at } = right;
  const vcek = files.vcek ?? new Uint8Array();
  for (let offset = 0; offset < vcek.length; offset += 3) {
    const found = await snpEvidence(
      { ...files, vcek: flipped(vcek, offset, offset % 8) },
      { at, anchors: VENDOR_ANCHORS },
    );
    assert.equal(found.authentic, false, `bit ${offset % 8} of byte ${offset}`);
  }
});

test('generated Milan, Genoa and Turin evidence of every version verifies under its root, and is refused by the vendor roots', async () => {
  for (const product of ['Milan', 'Genoa', 'Turin'] as const) {
    for (const version of [2, 3, 4, 5] as const) {
      const made = await makeSnp({ product, version });
      const found = await snpEvidence(made.files, given(made));
      assert.deepEqual([found.authentic, found.acceptable], [true, true], `${product} ${version}: ${found.summary}`);
      assert.equal(found.root?.source, 'test');
      assert.equal(found.facts.product, product);
      const production = await snpEvidence(made.files, VENDOR);
      assert.deepEqual([production.authentic, production.acceptable, production.root], [false, false, null]);
      assert.ok(failures(production).includes('sev-snp.chain'));
    }
  }
});

test('a test root given as a file is the only root that is trusted, and the verdict says so', async (t) => {
  const made = await makeSnp();
  const root = made.root.certificate ?? new Uint8Array();
  const found = await snpEvidence({ ...made.files, test_root: root }, VENDOR);
  assert.deepEqual([found.authentic, found.root?.source], [true, 'test']);
  const right = genuine();
  if (right === null) return t.skip('the shared vectors are not here');
  const real = await snpEvidence({ ...right.files, test_root: root }, { at: right.at, anchors: VENDOR_ANCHORS });
  assert.equal(real.authentic, false);
});

test('a VLEK speaks for a provider and not for a chip', async () => {
  const good = await verdict({ signingKey: 'vlek' });
  assert.deepEqual([good.authentic, good.acceptable], [true, true]);
  assert.match(check(good, 'sev-snp.chip')?.detail ?? '', /cloud\.example/);
  const hidden = await verdict({ signingKey: 'vlek', chipId: new Uint8Array(64), chipKeyMasked: true });
  assert.equal(hidden.authentic, true);
  const chip = await verdict({ signingKey: 'vlek', certificates: { hwid: new Uint8Array(64).fill(0xc4) } });
  assert.deepEqual(failures(chip), ['sev-snp.chip']);
  const nobody = await verdict({ signingKey: 'vlek', certificates: { cspId: null } });
  assert.deepEqual(failures(nobody), ['sev-snp.chip']);
});

test('key kind: a report and a certificate of different kinds are refused, and so is a report that nothing signs', async () => {
  assert.deepEqual(failures(await verdict({ signingKey: 'vcek', certificates: { kind: 'vlek' } })), [
    'sev-snp.key_kind',
  ]);
  const other = await verdict({ signingKey: 'vlek', certificates: { kind: 'vcek' } });
  assert.deepEqual(failures(other), ['sev-snp.key_kind']);
  const unsigned = await verdict({ signingKey: 'none' });
  assert.deepEqual(failures(unsigned), ['sev-snp.key_kind']);
  assert.match(unsigned.summary, /no key signed it/);
  assert.deepEqual(failures(await verdict({ chipKeyMasked: true })), ['sev-snp.key_kind']);
});

test('the certificate must be of the chip in the report', async () => {
  const other = await verdict({ certificates: { hwid: new Uint8Array(64).fill(1) } });
  assert.deepEqual([other.authentic, failures(other)], [false, ['sev-snp.chip']]);
  assert.deepEqual(failures(await verdict({ certificates: { hwid: null } })), ['sev-snp.chip']);
  assert.deepEqual(failures(await verdict({ certificates: { cspId: 'x' } })), ['sev-snp.chip']);
  const masked = new Uint8Array(64);
  assert.deepEqual(failures(await verdict({ chipId: masked, certificates: { hwid: masked } })), ['sev-snp.chip']);
  const turin = { product: 'Turin' as const, chipId: new Uint8Array(64).fill(7) };
  assert.equal((await verdict(turin)).authentic, true);
  const wrong = await verdict({ ...turin, certificates: { hwid: Uint8Array.of(7, 7, 7, 7, 7, 7, 7, 8) } });
  assert.deepEqual(failures(wrong), ['sev-snp.chip']);
});

test('HWID may be wrapped as an OCTET STRING, and no other length is one', async () => {
  const wrapped = Uint8Array.of(4, 64, ...new Uint8Array(64).fill(0xc4));
  assert.equal((await verdict({ certificates: { hwid: wrapped } })).authentic, true);
  for (const length of [0, 8, 63, 65, 128]) {
    const found = await verdict({ certificates: { hwid: new Uint8Array(length).fill(0xc4) } });
    assert.deepEqual(failures(found), ['sev-snp.certificate'], `${length} bytes`);
  }
});

test('the certificate must be of the reported TCB version, in every component', async () => {
  for (const product of ['Genoa', 'Turin'] as const) {
    const tcb = tcbOf(product);
    for (const part of Object.keys(tcb) as (keyof typeof tcb)[]) {
      const other = { ...tcb, [part]: (tcb[part] ?? 0) + 1 };
      const found = await verdict({ product, certificates: { tcb: other } });
      assert.deepEqual([found.authentic, failures(found)], [false, ['sev-snp.tcb']], part);
    }
  }
});

test('a TCB version with reserved bytes set is refused, and the layout is that of the processor', async () => {
  const made = await makeSnp({ product: 'Milan' });
  const turin = await verdict({ product: 'Turin', cpuid: [0x19, 1, 1] });
  assert.equal(turin.authentic, false);
  assert.ok(failures(turin).includes('sev-snp.product'));
  // Made as Turin, so that levels stand where Milan reserves bytes.
  const report = await made.report({ product: 'Turin', cpuid: [0x19, 1, 1], chipId: new Uint8Array(64).fill(0xc4) });
  const found = await snpEvidence({ ...made.files, report }, given(made));
  assert.deepEqual(failures(found), ['sev-snp.tcb', 'sev-snp.tcb_order']);
});

test('product: certificate and processor must agree, and unknown ones are not guessed', async () => {
  const other = await verdict({ product: 'Milan', cpuid: [0x19, 0x11, 1] });
  assert.deepEqual([other.authentic, failures(other)], [false, ['sev-snp.product']]);
  const unknown = await verdict({ product: 'Turin', cpuid: [0x1b, 1, 0] });
  assert.match(check(unknown, 'sev-snp.product')?.detail ?? '', /no product that is known/);
  assert.equal(check(unknown, 'sev-snp.tcb_order')?.outcome, 'not checked');
  const chain = await verdict({ product: 'Milan', certificates: { issuerName: 'SEV-Genoa' } });
  assert.deepEqual(failures(chain), ['sev-snp.chain']);
  assert.deepEqual(failures(await verdict({ certificates: { rootName: 'ARK-Genoa' } })), ['sev-snp.chain']);
  assert.deepEqual(failures(await verdict({ certificates: { issuerName: 'SEV-VLEK-Milan' } })), ['sev-snp.chain']);
  assert.deepEqual(failures(await verdict({ certificates: { leafName: 'SEV-XCEK' } })), ['sev-snp.certificate']);
});

test('what a certificate must say, it says in the form that is known', async () => {
  const bad: Record<string, Uint8Array | null> = {
    '2': encodeUtf8('\u0016\u0008Naples-1'),
    '3.1': Uint8Array.of(2, 2, 1, 0),
    '3.2': Uint8Array.of(2, 1, 0xff),
    '3.3': Uint8Array.of(2, 1, 1, 0),
    '3.4': Uint8Array.of(2, 1, 1),
    '3.7': Uint8Array.of(2, 1, 1),
    '3.8': Uint8Array.of(4, 1, 1),
    '3.9': Uint8Array.of(2, 1, 1),
    '5': Uint8Array.of(2, 1, 1),
  };
  for (const [arc, value] of Object.entries(bad)) {
    const found = await verdict({ certificates: { extensions: { [arc]: value } } });
    assert.deepEqual([found.authentic, failures(found)], [false, ['sev-snp.certificate']], arc);
  }
  for (const arc of ['2', '3.1', '3.2', '3.3', '3.8']) {
    const found = await verdict({ certificates: { extensions: { [arc]: null } } });
    assert.deepEqual(failures(found), ['sev-snp.certificate'], arc);
  }
  const turin = await verdict({ product: 'Turin', certificates: { extensions: { '3.9': null } } });
  assert.deepEqual(failures(turin), ['sev-snp.certificate']);
  for (const arc of ['1', '3.4', '3.5', '3.6', '3.7']) {
    assert.equal((await verdict({ certificates: { extensions: { [arc]: null } } })).authentic, true, arc);
  }
});

test('a key that is not on P-384 is refused', async () => {
  const found = await verdict({ certificates: { leafKeys: 'p256' } });
  assert.deepEqual([found.authentic, failures(found)], [false, ['sev-snp.signature']]);
  assert.match(found.summary, /P-384/);
});

test('the CAs have 4096-bit RSA keys and sign with RSASSA-PSS, as AMD does', async () => {
  for (const caKeys of ['rsa2048-pss', 'rsa4096-pkcs1', 'p384'] as const) {
    const found = await verdict({ certificates: { caKeys } });
    assert.deepEqual([found.authentic, failures(found)], [false, ['sev-snp.chain']], caKeys);
  }
});

test('a VCEK that is pinned itself is no chain: its intermediate and root are part of what is verified', async () => {
  const made = await makeSnp();
  const vcek = made.files.vcek ?? new Uint8Array();
  const pin = { ...made.root, source: 'operator' as const, fingerprint: sha256Hex(vcek), certificate: vcek };
  const found = await snpEvidence(made.files, { at: AT, anchors: [pin] });
  assert.deepEqual([found.authentic, failures(found)], [false, ['sev-snp.chain']]);
});

test('a certificate outside its validity is refused', async () => {
  assert.deepEqual(failures(await verdict({ certificates: { notAfter: AT - 1 } })), ['sev-snp.chain']);
  assert.deepEqual(failures(await verdict({ certificates: { notBefore: AT + 1 } })), ['sev-snp.chain']);
  assert.equal((await verdict({ certificates: { notBefore: AT, notAfter: AT } })).authentic, true);
});

test('a report that another key signed is refused', async () => {
  const [ours, other] = [await makeSnp(), await makeSnp()];
  const swapped = await snpEvidence({ ...ours.files, report: other.files.report }, given(ours));
  assert.deepEqual([swapped.authentic, failures(swapped)], [false, ['sev-snp.signature']]);
});

test('REPORT_DATA must be what was asked for: any difference is fatal, and a short value is followed by zeros [D-41]', async () => {
  const asked = new Uint8Array(64).fill(0x5a);
  const made = await makeSnp({ reportData: asked });
  const ask = (userData: Uint8Array<ArrayBuffer>) => snpEvidence(made.files, given(made, { userData }));
  assert.equal((await ask(asked)).acceptable, true);
  for (const other of [
    flipped(asked, 0, 0),
    flipped(asked, 63, 7),
    asked.slice(0, 63),
    Uint8Array.of(...asked, 0x5a),
  ]) {
    const found = await ask(other);
    assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, ['sev-snp.report_data']]);
  }
  const short = await makeSnp({ reportData: asked.slice(0, 32) });
  assert.equal((await snpEvidence(short.files, given(short, { userData: asked.slice(0, 32) }))).acceptable, true);
  const file = { ...short.files, report_data: encodeUtf8(`${'5a'.repeat(32)}\n`) };
  assert.equal(check(await snpEvidence(file, given(short)), 'sev-snp.report_data')?.outcome, 'proven');
  const wrong = { ...short.files, report_data: encodeUtf8('5b'.repeat(32)) };
  assert.equal((await snpEvidence(wrong, given(short))).acceptable, false);
});

test('a challenge that nothing compares leaves the question open', async () => {
  const found = await verdict({}, { nonce: new Uint8Array(32) });
  assert.deepEqual([found.authentic, found.acceptable], [true, null]);
  assert.equal(check(found, 'sev-snp.nonce')?.outcome, 'not checked');
});

test('the measurement is compared as the field and as claims write it [W-38] [C-27]', async () => {
  const made = await makeSnp({ measurement: new Uint8Array(48).fill(3) });
  const open = await snpEvidence(made.files, given(made));
  const forms = [String(open.facts.measurement), String(open.facts.measurement_field)];
  assert.match(forms[0] ?? '', /^sha384:[0-9a-f]{96}$/);
  assert.equal(forms[1], '03'.repeat(48));
  for (const measurement of forms) {
    assert.equal((await snpEvidence(made.files, given(made, { measurement }))).acceptable, true);
  }
  for (const measurement of ['', '04'.repeat(48), `sha384:${'03'.repeat(48)}`, `sha256:${'03'.repeat(48)}`]) {
    const found = await snpEvidence(made.files, given(made, { measurement }));
    assert.deepEqual([found.acceptable, failures(found)], [false, ['sev-snp.measurement']]);
  }
});

test('by default, a guest that is debuggable, may migrate, or has no guest policy is not acceptable', async () => {
  const cases: [bigint, string][] = [
    [0xb0000n, 'sev-snp.debug'],
    [0x70000n, 'sev-snp.migration'],
    [0x10000n, 'sev-snp.policy_form'],
  ];
  for (const [policy, id] of cases) {
    const found = await verdict({ policy });
    assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, [id]]);
  }
  const relaxed = { policy: { sevSnp: { allowDebug: true, guest: { migration: true } } } };
  assert.equal((await verdict({ policy: 0xf0000n }, relaxed)).acceptable, true);
  assert.equal((await verdict({ policy: 0xd0000n }, relaxed)).acceptable, false);
});

test('a report that the host asked for is not acceptable', async () => {
  const found = await verdict({ vmpl: 0xffffffff });
  assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, ['sev-snp.vmpl']]);
});

test('TCB versions are in order: reported, committed, current', async () => {
  const tcb = tcbOf('Milan');
  const above = { ...tcb, snp: tcb.snp + 1 };
  assert.equal((await verdict({ current: above, committed: above })).acceptable, true);
  for (const fields of [
    { committed: above },
    { current: { ...tcb, microcode: 0 } },
    { reported: above, committed: tcb },
  ]) {
    const found = await verdict(fields);
    assert.deepEqual([found.acceptable, failures(found)], [false, ['sev-snp.tcb_order']]);
  }
});

/** What a policy asks for, with a report that meets it and one that does not. */
const POLICIES: [string, NonNullable<EvidencePolicy['sevSnp']>, SnpOptions, SnpOptions][] = [
  ['sev-snp.vmpl', { maxVmpl: 1 }, { vmpl: 1 }, { vmpl: 2 }],
  ['sev-snp.guest_svn', { minGuestSvn: 4 }, { guestSvn: 4 }, { guestSvn: 3 }],
  [
    'sev-snp.tcb_floor',
    { minTcb: tcbOf('Milan') },
    {},
    { reported: { ...tcbOf('Milan'), tee: 0 }, current: tcbOf('Milan') },
  ],
  ['sev-snp.tcb_floor', { minTcb: { fmc: 1 } }, { product: 'Turin' }, { product: 'Genoa' }],
  [
    'sev-snp.measurement_list',
    { measurements: ['00'.repeat(48), '6d'.repeat(48)] },
    {},
    { measurement: new Uint8Array(48).fill(1) },
  ],
  ['sev-snp.host_data', { hostData: '07'.repeat(32) }, { hostData: new Uint8Array(32).fill(7) }, {}],
  ['sev-snp.id_key', { idKeyDigests: ['08'.repeat(48)] }, { idKeyDigest: new Uint8Array(48).fill(8) }, {}],
  [
    'sev-snp.author_key',
    { authorKeyDigests: ['09'.repeat(48)] },
    { authorKey: true, authorKeyDigest: new Uint8Array(48).fill(9) },
    { authorKey: true },
  ],
  ['sev-snp.author_key', { authorKeyDigests: ['00'.repeat(48)] }, { authorKey: true }, {}],
  ['sev-snp.platform', { platform: { smt: false } }, { platformInfo: 0n }, { platformInfo: 1n }],
  ['sev-snp.platform', { platform: { tsme: true } }, { platformInfo: 2n }, { platformInfo: 0n }],
  ['sev-snp.platform', { platform: { ecc: true } }, { platformInfo: 4n }, { platformInfo: 0n }],
  ['sev-snp.platform', { platform: { raplDisabled: true } }, { platformInfo: 8n }, { platformInfo: 0n }],
  ['sev-snp.platform', { platform: { ciphertextHiding: true } }, { platformInfo: 16n }, { platformInfo: 0n }],
  ['sev-snp.platform', { platform: { aliasCheck: true, ecc: true } }, { platformInfo: 36n }, { platformInfo: 32n }],
  ['sev-snp.guest', { guest: { smt: false } }, { policy: 0x20000n }, { policy: 0x30000n }],
  ['sev-snp.guest', { guest: { singleSocket: true } }, { policy: 0x130000n }, { policy: 0x30000n }],
  ['sev-snp.mitigations', { mitigations: '5' }, { version: 5, mitigations: 7n }, { version: 5, mitigations: 3n }],
  ['sev-snp.mitigations', { mitigations: '0' }, { version: 5 }, { version: 4 }],
];

test('each rule of the policy accepts what keeps it and refuses what does not', async () => {
  for (const [id, sevSnp, keeps, breaks] of POLICIES) {
    const good = await verdict(keeps, { policy: { sevSnp } });
    assert.equal(check(good, id)?.outcome, 'proven', `${id}: ${good.summary}`);
    assert.equal(good.acceptable, true, `${id}: ${good.summary}`);
    const bad = await verdict(breaks, { policy: { sevSnp } });
    assert.deepEqual([bad.authentic, bad.acceptable, failures(bad)], [true, false, [id]], JSON.stringify(sevSnp));
  }
});

test('a mitigation rule that is no number is never met', async () => {
  for (const mitigations of ['', '0x1', 'zz', '1'.repeat(17)]) {
    const found = await verdict({ version: 5 }, { policy: { sevSnp: { mitigations } } });
    assert.deepEqual(failures(found), ['sev-snp.mitigations']);
  }
});

test('revocation: none supplied, required and missing, good, and every kind of bad list', async () => {
  assert.equal(check(await verdict({}), 'sev-snp.revocation')?.outcome, 'not checked');
  const required = { policy: { sevSnp: { requireCrl: true } } };
  const missing = await verdict({}, required);
  assert.deepEqual([missing.authentic, missing.acceptable], [true, null]);
  const good = await verdict({ crl: { revoked: ['02'] } }, required);
  assert.equal(good.acceptable, true);
  const bad: Record<string, SnpOptions> = {
    'intermediate revoked': { crl: { revoked: [INTERMEDIATE_SERIAL] } },
    'leaf revoked': { crl: { revoked: ['33'] }, certificates: { serial: '33' } },
    expired: { crl: { nextUpdate: AT - 1 } },
    'not yet': { crl: { thisUpdate: AT + 1 } },
    'another issuer': { crl: { signedBy: 'intermediate' } },
  };
  for (const [what, options] of Object.entries(bad)) {
    const found = await verdict(options);
    assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, ['sev-snp.revocation']], what);
  }
  const made = await makeSnp({ crl: {} });
  const crl = made.files.crl ?? new Uint8Array();
  const other = (await makeSnp({ crl: {}, product: 'Genoa' })).files.crl ?? new Uint8Array();
  for (const broken of [flipped(crl, crl.length - 1, 0), crl.slice(0, -1), new Uint8Array(), encodeUtf8('x'), other]) {
    const found = await snpEvidence({ ...made.files, crl: broken }, given(made));
    assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, ['sev-snp.revocation']]);
  }
});

test('the chain may be in any order, in PEM or DER, and the pinned root may be left out when the anchor brings it', async () => {
  const made = await makeSnp();
  const text = new TextDecoder().decode(made.files.chain);
  const blocks = text.split(/(?<=-----END CERTIFICATE-----)\s*/).filter((block) => block !== '');
  assert.equal(blocks.length, 2);
  const der = blocks.map((block) => Uint8Array.from(Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64')));
  const forms: Uint8Array<ArrayBuffer>[] = [
    encodeUtf8(blocks.toReversed().join('\n')),
    Uint8Array.from(der.flatMap((each) => [...each])),
    der[0] ?? new Uint8Array(),
  ];
  for (const chain of forms) assert.equal((await snpEvidence({ ...made.files, chain }, given(made))).authentic, true);
  const rootOnly = await snpEvidence({ ...made.files, chain: der[1] ?? new Uint8Array() }, given(made));
  assert.equal(rootOnly.authentic, false);
});

test('files that say too much: two keys, several certificates, unknown roles', async () => {
  const made = await makeSnp();
  const vcek = made.files.vcek ?? new Uint8Array();
  const two = await snpEvidence({ ...made.files, vlek: vcek, extra: vcek }, given(made));
  assert.equal(two.authentic, true);
  assert.match(check(two, 'sev-snp.keys')?.detail ?? '', /vlek was not/);
  assert.match(check(two, 'sev-snp.roles')?.detail ?? '', /extra/);
  const several = await snpEvidence({ ...made.files, vcek: Uint8Array.of(...vcek, ...vcek) }, given(made));
  assert.deepEqual(failures(several), ['sev-snp.certificate']);
  const misnamed = await snpEvidence(
    { report: made.files.report, chain: made.files.chain ?? vcek, vlek: vcek },
    given(made),
  );
  assert.equal(misnamed.authentic, true);
});

test('a root that vouches for something else does not vouch for AMD', async () => {
  const made = await makeSnp();
  const found = await snpEvidence(made.files, { at: AT, anchors: [{ ...made.root, purposes: ['intel-sgx'] }] });
  assert.deepEqual([found.authentic, failures(found)], [false, ['sev-snp.chain']]);
});

test('any bytes in any role give a verdict, and never an authentic one', async () => {
  const made = await makeSnp({ crl: {} });
  const roles = ['report', 'vcek', 'vlek', 'chain', 'crl', 'report_data', 'test_root', '__proto__', 'toString'];
  const bytes = fc.uint8Array({ maxLength: 1400 }).map((each) => new Uint8Array(each));
  const files = fc.array(fc.tuple(fc.constantFrom(...roles), bytes), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(files, async (entries) => {
      const found = await snpEvidence(Object.fromEntries(entries), given(made));
      assert.equal(found.authentic, false);
    }),
    { numRuns: 60 },
  );
  const edits = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 4 });
  const supplied = Object.entries(made.files);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...supplied), edits, async ([role, original], changes) => {
      const copy = original.slice();
      for (const [at, value] of changes) copy[at % copy.length] = value;
      const found = await snpEvidence({ ...made.files, [role]: copy } as EvidenceFiles, given(made));
      assert.equal(typeof found.authentic, 'boolean');
    }),
    { numRuns: 150 },
  );
});

test('facts name what callers compare', async () => {
  const { facts } = await verdict({ version: 5, mitigations: 6n, reportData: Uint8Array.of(1) });
  assert.equal(facts.report_data, encodeHex(Uint8Array.of(1, ...new Uint8Array(63))));
  assert.deepEqual([facts.product, facts.vmpl, facts.debug, facts.mitigations], ['Milan', 0, false, '6']);
  assert.equal(facts.reported_tcb, 'bootloader 9, tee 1, snp 23, microcode 72');
});

test('a challenge in the role nonce is open until user data that holds it is compared', async () => {
  const asked = new Uint8Array(64).fill(0x5a);
  const made = await makeSnp({ reportData: asked });
  const judge = (nonce: string, more: Partial<EvidenceGiven> = {}) =>
    snpEvidence({ ...made.files, nonce: encodeUtf8(nonce) }, given(made, more));
  assert.equal((await judge('5a'.repeat(64))).acceptable, null);
  assert.equal((await judge('5b'.repeat(64), { userData: asked })).acceptable, null);
  assert.equal((await judge(`0x${'5A'.repeat(64)}`, { userData: asked })).acceptable, true);
  const unreadable = await judge('zz', { userData: asked });
  assert.deepEqual([unreadable.authentic, unreadable.acceptable], [true, false]);
});
