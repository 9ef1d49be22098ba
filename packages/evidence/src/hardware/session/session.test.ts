import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Expectations,
  encodeBase64Url,
  type Report,
  type SessionFile,
  stringifyJson,
  VENDOR_ANCHORS,
  verify,
} from '../../index.ts';
import {
  attest,
  azureSession,
  boundBytes,
  type HardwareSession,
  LAUNCH_PCR,
  openSession,
  snpEvidenceOf,
  snpSession,
  tdxSession,
  tpmSession,
} from '../../testing/hardware-session.ts';
import { adopt, CATALOG_HASH, type EventSpec, newKey, POLICY_HASH, relink, seal, sign } from '../../testing/session.ts';
import { makeSnp } from '../../testing/snp.ts';
import type { TpmQuoteFiles } from '../../testing/tpm.ts';
import type { TrustAnchor } from '../given.ts';
import type { EvidencePolicy } from '../policy.ts';
import { quoteBinding } from '../tpm/quote-pair.ts';

const EVENTS: EventSpec[] = [{ kind: 'allow', tool: 'read', domain: 'internal', dataClass: 'pii' }];
const key = await newKey();

/** The root as one that ships with the package: what a relying party with genuine hardware has. */
const shipped = (root: TrustAnchor): TrustAnchor => ({ ...root, source: 'vendor', assurance: 'silicon' });

interface Case {
  name: string;
  session: HardwareSession;
  /** Reference values for the registers that hold the gateway, where the measurement does not. */
  policy: EvidencePolicy;
}

const snp = await snpSession(key, EVENTS);
const tdx = await tdxSession(key, EVENTS);
const tpm = await tpmSession(key, EVENTS);
const REGISTERS: EvidencePolicy = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
const CASES: Case[] = [
  { name: 'SEV-SNP', session: snp, policy: {} },
  { name: 'TDX', session: tdx, policy: { tdx: { rtmr: { '1': [tdx.rtmr(1)], '2': [tdx.rtmr(2)] } } } },
  { name: 'TPM', session: tpm, policy: REGISTERS },
  { name: 'Azure', session: await azureSession(key, EVENTS), policy: REGISTERS },
];

function pins({ session, policy }: Case, more: Partial<Expectations> = {}): Expectations {
  return {
    anchors: [shipped(session.root)],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    measurement: session.measurement,
    evidencePolicy: policy,
    immutableImage: true,
    ...more,
  };
}

const check = (file: SessionFile, expectations: Expectations): Promise<Report> =>
  verify(stringifyJson(file), expectations);
const outcome = (report: Report, id: string) => report.checks.find((each) => each.id === id)?.outcome;
const failures = (report: Report) => report.checks.filter((each) => each.outcome === 'failed').map(({ id }) => id);
const open = (report: Report) =>
  report.checks.filter((each) => each.required && each.outcome !== 'proven').map(({ id }) => id);

/** The parsed copy of a file, to be altered. */
const copy = (file: SessionFile): SessionFile => structuredClone(file);

for (const each of CASES) {
  const { name, session } = each;

  test(`${name}: right evidence, roots and reference values verify a session without a pinned key [D-39] [W-06]`, async () => {
    const report = await check(session.file, pins(each));
    assert.deepEqual([failures(report), open(report)], [[], []]);
    assert.equal(report.verdict, 'verified');
    assert.deepEqual(report.relaxations, []);
    assert.ok(
      report.checks.some(({ id, against }) => /^hardware\.[a-z-]+\.(?:report|extra)_data$/.test(id) && against),
    );
    for (const id of [
      'hardware.key',
      'hardware.chain',
      'hardware.measurement',
      'gateway.code',
      'key.pinned',
      'policy.hash',
    ]) {
      assert.equal(outcome(report, id), 'proven', id);
    }
  });

  test(`${name}: a claim that names the platform and brings no evidence is not verified [D-39] [G24]`, async () => {
    const bare = copy(session.file);
    delete bare.claim.gateway.attestation_evidence;
    bare.evidence = [];
    await sign(bare, key);
    const report = await check(bare, pins(each, { keys: [{ x: key.x, source: 'given' }] }));
    assert.equal(report.verdict, 'unverified');
    for (const id of ['hardware.evidence', 'hardware.root', 'hardware.key']) assert.ok(open(report).includes(id), id);
    assert.notEqual(outcome(report, 'policy.hash'), 'proven');
  });

  test(`${name}: production roots refuse evidence of a root made for tests`, async () => {
    const report = await check(session.file, pins(each, { anchors: VENDOR_ANCHORS }));
    assert.equal(report.verdict, 'refused');
    const none = await check(session.file, pins(each, { anchors: [] }));
    assert.notEqual(none.verdict, 'verified');
    assert.equal(outcome(none, 'key.pinned'), 'asserted');
    for (const id of ['hardware.key', 'hardware.chain', 'hardware.measurement']) {
      assert.equal(outcome(none, id), 'not checked', id);
    }
  });

  test(`${name}: a root of the operator counts only when the relying party says so, and the report repeats it`, async () => {
    const anchors: TrustAnchor[] = [{ ...session.root, source: 'operator' }];
    const asked = await check(session.file, pins(each, { anchors }));
    assert.equal(asked.verdict, 'unverified');
    assert.equal(outcome(asked, 'hardware.root'), 'asserted');
    assert.ok(asked.lacking.includes('--accept-operator-root'));
    for (const id of ['key.pinned', 'policy.hash', 'catalog.hash', 'policy.mode']) {
      assert.equal(outcome(asked, id), 'asserted', id);
    }
    const accepted = await check(session.file, pins(each, { anchors, acceptOperatorRoot: true }));
    assert.equal(accepted.verdict, 'verified');
    assert.deepEqual(accepted.relaxations, ['--accept-operator-root']);
  });

  test(`${name}: a test root is never accepted for a session, whatever is relaxed`, async () => {
    const relaxed = { acceptOperatorRoot: true, acceptSoftware: true, acceptSoftwareTpm: true };
    const report = await check(
      session.file,
      pins(each, { anchors: [{ ...session.root, source: 'test' }], ...relaxed }),
    );
    assert.equal(report.verdict, 'unverified');
    assert.equal(outcome(report, 'hardware.root'), 'asserted');
  });

  test(`${name}: everything re-signed with a fresh key is refused: the evidence names another [W-01] [W-04] [ATK-42]`, async () => {
    const forged = copy(session.file);
    const fresh = await newKey();
    await seal(forged, fresh);
    forged.claim.trace.runtime.nonce = encodeBase64Url(boundBytes(forged));
    await sign(forged, fresh);
    const report = await check(forged, pins(each));
    assert.equal(report.verdict, 'refused');
    assert.equal(outcome(report, 'hardware.key'), 'failed');
    assert.equal(outcome(report, 'claim.nonce'), 'proven', 'the nonce agrees with itself, and that proves nothing');
  });

  test(`${name}: evidence of another session of the same key is refused [ATK-32] [W-03]`, async () => {
    const other = await openSession(key, EVENTS);
    const { claim, evidence } = session.file;
    other.evidence = evidence;
    other.claim.trace.runtime = { ...claim.trace.runtime, nonce: encodeBase64Url(boundBytes(other)) };
    other.claim.gateway.attestation_evidence = claim.gateway.attestation_evidence ?? {};
    await sign(other, key);
    const report = await check(other, pins(each));
    assert.equal(report.verdict, 'refused');
    assert.equal(outcome(report, 'hardware.chain'), 'failed');
  });

  test(`${name}: a chain that was replaced after the fact is refused, although the key signed the new one`, async () => {
    const altered = copy(session.file);
    const [start] = altered.bundle.entries;
    assert.ok(start?.detail);
    start.detail.exposure = 'public';
    start.detail.note = 'a chain of our own';
    relink(altered);
    altered.checkpoints = [];
    await seal(altered, key);
    altered.claim.trace.runtime.nonce = encodeBase64Url(boundBytes(altered));
    await sign(altered, key);
    const report = await check(altered, pins(each));
    assert.equal(report.verdict, 'refused');
    assert.equal(outcome(report, 'hardware.chain'), 'failed');
  });

  test(`${name}: without a reference value, a modified gateway on a genuine platform is not told from ours: asserted`, async () => {
    const { measurement: _, ...without } = pins(each);
    const report = await check(session.file, without);
    assert.equal(report.verdict, 'unverified');
    assert.deepEqual(failures(report), []);
    for (const id of ['hardware.measurement', 'gateway.code', 'policy.hash', 'catalog.hash', 'policy.mode']) {
      assert.equal(outcome(report, id), 'asserted', id);
    }
    assert.equal(outcome(report, 'hardware.key'), 'proven');
    assert.ok(report.lacking.includes('--measurement DIGEST'));
    for (const id of ['hardware.measurement', 'gateway.code']) assert.ok(open(report).includes(id), id);
  });

  test(`${name}: a wrong reference value is refused, and so is a claim that says what the evidence does not [W-02] [W-38]`, async () => {
    const other = session.measurement.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    const pinned = await check(session.file, pins(each, { measurement: other }));
    assert.deepEqual(failures(pinned), ['hardware.measurement']);
    const claimed = copy(session.file);
    claimed.claim.trace.runtime.measurement = other;
    await sign(claimed, key);
    const report = await check(claimed, pins(each, { measurement: other }));
    assert.equal(report.verdict, 'refused');
    assert.equal(outcome(report, 'hardware.evidence'), 'failed');
  });

  test(`${name}: a session file cannot bring roots, pins or challenges of its own`, async () => {
    const smuggled = copy(session.file);
    const certificate = Buffer.from(session.root.certificate ?? new Uint8Array()).toString('base64');
    const kind = smuggled.evidence[0]?.role.split('/')[0] ?? 'sev-snp';
    for (const role of ['test_root', 'ak', 'nonce', 'report_data', 'jwks']) {
      smuggled.evidence.push({ role: `${kind}/${role}`, media_type: 'x', data: certificate });
    }
    const report = await check(smuggled, pins(each, { anchors: VENDOR_ANCHORS }));
    assert.equal(report.verdict, 'refused');
    const trusted = await check(smuggled, pins(each));
    assert.equal(trusted.verdict, 'unverified');
    assert.equal(outcome(trusted, 'file.read'), 'not checked');
    assert.match(trusted.checks.find(({ id }) => id === 'file.read')?.detail ?? '', new RegExp(`${kind}/test_root`));
  });

  test(`${name}: evidence that is no base64, or comes twice, is refused by name`, async () => {
    const twice = copy(session.file);
    twice.evidence.push({ role: 'x/y', media_type: 'x', data: '' }, { role: 'x/y', media_type: 'x', data: '' });
    assert.deepEqual(failures(await check(twice, pins(each))), ['file.format']);
    const garbled = copy(session.file);
    garbled.claim.gateway.attestation_evidence = { raw_evidence: 'not base64!' };
    await sign(garbled, key);
    assert.equal(outcome(await check(garbled, pins(each)), 'hardware.evidence'), 'failed');
  });
}

test('a genuine report of another virtual machine, with the right key pinned, is still refused', async () => {
  const file = await openSession(key, EVENTS);
  const foreign = await makeSnp({ reportData: new Uint8Array(64).fill(7) });
  await attest(file, key, {
    platform: 'amd-sev-snp',
    measurement: snp.measurement,
    evidence: snpEvidenceOf(foreign.files),
  });
  const report = await check(file, {
    ...pins({ name: '', session: { ...snp, root: foreign.root }, policy: {} }),
    keys: [{ x: key.x, source: 'given' }],
  });
  assert.equal(report.verdict, 'refused');
  assert.equal(outcome(report, 'hardware.key'), 'failed');
});

test('a debug guest is refused, however genuine its report is', async () => {
  const session = await snpSession(key, EVENTS, { policy: (1n << 17n) | (1n << 19n) });
  const report = await check(session.file, pins({ name: '', session, policy: {} }));
  assert.equal(report.verdict, 'refused');
  assert.equal(outcome(report, 'hardware.evidence'), 'failed');
  assert.equal(outcome(report, 'hardware.key'), 'proven');
  for (const id of ['key.pinned', 'policy.hash']) assert.equal(outcome(report, id), 'asserted', id);
});

test('a TDX quote without collateral is authentic, its TCB is unknown, and the session is not verified', async () => {
  const session = await tdxSession(key, EVENTS, { collateral: false });
  const policy = { tdx: { rtmr: { '1': [session.rtmr(1)], '2': [session.rtmr(2)] } } };
  const report = await check(session.file, pins({ name: '', session, policy }));
  assert.equal(report.verdict, 'unverified');
  assert.ok(open(report).includes('hardware.evidence'));
  assert.deepEqual(failures(report), []);
});

test('reference values for firmware alone leave the code unproven on TDX, a TPM and Azure', async () => {
  for (const each of CASES.slice(1)) {
    const report = await check(each.session.file, pins(each, { evidencePolicy: {} }));
    assert.equal(report.verdict, 'unverified', each.name);
    assert.equal(outcome(report, 'hardware.measurement'), 'proven');
    assert.equal(outcome(report, 'gateway.code'), 'asserted');
    assert.equal(outcome(report, 'policy.hash'), 'asserted');
    assert.match(report.lacking.join(), /--evidence-policy/);
  }
});

test('a TPM session without the second quote names its chain by assertion only [W-03]', async () => {
  const session = await tpmSession(key, EVENTS, { second: false });
  const report = await check(session.file, pins({ name: '', session, policy: {} }));
  assert.equal(report.verdict, 'unverified');
  assert.equal(outcome(report, 'hardware.chain'), 'asserted');
  assert.ok(open(report).includes('hardware.chain'));
  assert.equal(outcome(report, 'hardware.key'), 'proven');
});

const SECOND = 'sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15';
const PCRS = { sha256: { '4': 'ab'.repeat(32), '11': LAUNCH_PCR } };

test('a second quote of another TPM, of another session, of fewer registers or from before a restart is refused [W-03]', async () => {
  const other = await tpmSession(key, EVENTS);
  const [own, foreign] = [quoteBinding(boundBytes(tpm.file)), quoteBinding(boundBytes(other.file))];
  const seconds: [string, TpmQuoteFiles][] = [
    ['another TPM', other.tpm.quote(own, SECOND, PCRS)],
    ['another session', tpm.tpm.quote(foreign, SECOND, PCRS)],
    ['fewer registers', tpm.tpm.quote(own, 'sha256:0,1,2,3,4,5,6,7', PCRS)],
    ['a restart', tpm.tpm.quote(own, SECOND, PCRS, { restartCount: 9 })],
    ['an older clock', tpm.tpm.quote(own, SECOND, PCRS, { clock: 0n })],
    ['other registers', tpm.tpm.quote(own, SECOND, { sha256: { ...PCRS.sha256, '11': '00'.repeat(32) } })],
  ];
  for (const [what, { attest: quoted, signature, pcrs }] of seconds) {
    const file = copy(tpm.file);
    file.evidence = Object.entries({ second_attest: quoted, second_signature: signature, second_pcrs: pcrs }).map(
      ([role, data]) => ({ role: `tpm/${role}`, media_type: 'x', data: Buffer.from(data).toString('base64') }),
    );
    const report = await check(file, pins(CASES[2] as Case));
    assert.equal(report.verdict, 'refused', what);
  }
});

test('a software TPM is called that, is accepted by its own flag only, and its state must be the expected one [UX-09]', async () => {
  const session = await tpmSession(key, EVENTS, { device: { manufacturer: 'id:00001014', model: 'swtpm' } });
  const anchors: TrustAnchor[] = [{ ...session.root, source: 'operator', assurance: 'unknown' }];
  const without: Expectations = {
    anchors,
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptOperatorRoot: true,
  };
  const asked = await check(session.file, without);
  assert.equal(asked.verdict, 'unverified');
  assert.ok(asked.lacking.includes('--accept-software-tpm'));
  assert.ok(['hardware.measurement', 'gateway.code'].every((id) => open(asked).includes(id)));
  assert.equal(outcome(asked, 'policy.hash'), 'asserted');
  const unnamed = await check(session.file, { ...without, acceptSoftwareTpm: true });
  assert.deepEqual([unnamed.verdict, open(unnamed)], ['unverified', ['hardware.measurement']]);
  const { measurement } = session;
  const accepted = await check(session.file, { ...without, acceptSoftwareTpm: true, measurement });
  assert.deepEqual([failures(accepted), open(accepted)], [[], []]);
  assert.equal(accepted.verdict, 'verified');
  assert.ok(accepted.relaxations.includes('--accept-software-tpm'));
  assert.match(accepted.checks.find(({ id }) => id === 'hardware.root')?.detail ?? '', /software TPM/);
});

test('a platform whose evidence is not read here is not verified, and not called forged', async () => {
  const file = copy(snp.file);
  file.claim.trace.runtime.platform = 'aws-nitro';
  await sign(file, key);
  const report = await check(file, pins(CASES[0] as Case));
  assert.equal(report.verdict, 'unverified');
  assert.equal(outcome(report, 'hardware.evidence'), 'not checked');
});

test('no other pin makes up for evidence that is not read, and all of it is named', async () => {
  const file = copy(tdx.file);
  file.claim.trace.runtime.platform = 'aws-nitro';
  await sign(file, key);
  const report = await check(file, pins(CASES[1] as Case, { keys: [{ x: key.x, source: 'given' }] }));
  assert.ok(open(report).includes('hardware.evidence'));
  assert.equal(outcome(report, 'key.pinned'), 'proven');
  assert.equal(outcome(report, 'policy.hash'), 'asserted');
  assert.match(report.checks.find(({ id }) => id === 'file.read')?.detail ?? '', /evidence tdx\/tcb_info/);
  assert.ok(
    report.lacking.every((flag) => flag.startsWith('--')),
    'what no flag can give is not called a flag',
  );
});

test('a hardware claim whose key is none is refused without an exception', async () => {
  const order = encodeBase64Url(Uint8Array.of(1, ...new Uint8Array(31)));
  for (const x of [order, 'AA', '', 'not base64!']) {
    const file = copy(snp.file);
    file.claim.trace.cnf.jwk.x = x;
    assert.equal((await check(file, pins(CASES[0] as Case))).verdict, 'refused', x);
  }
});

test('evidence is judged at the time that the relying party gives', async () => {
  for (const each of CASES) {
    const report = await check(each.session.file, pins(each, { now: Date.UTC(2060, 0, 1) / 1000 }));
    assert.equal(outcome(report, 'hardware.evidence'), 'failed', each.name);
  }
});

test('a report of a key that the cloud provider loaded is one of a genuine platform too', async () => {
  const session = await snpSession(key, EVENTS, { signingKey: 'vlek', certificates: { kind: 'vlek' } });
  const report = await check(session.file, pins({ name: '', session, policy: {} }));
  assert.equal(report.verdict, 'verified', report.summary);
});

test('a revocation list beside a report is read, and one of another platform is not', async () => {
  const session = await snpSession(key, EVENTS, { crl: {} });
  const policy: EvidencePolicy = { sevSnp: { requireCrl: true } };
  assert.equal((await check(session.file, pins({ name: '', session, policy }))).verdict, 'verified');
  const other = copy(session.file);
  for (const item of other.evidence) item.role = item.role.replace('sev-snp', 'azure-cvm');
  const report = await check(other, pins({ name: '', session, policy }));
  assert.equal(report.verdict, 'unverified');
  assert.deepEqual(
    [outcome(report, 'hardware.evidence'), outcome(report, 'file.read')],
    ['not checked', 'not checked'],
  );
});

test('a virtual TPM of a cloud is called the word of its provider', async () => {
  const anchors: TrustAnchor[] = [{ ...tpm.root, source: 'vendor', assurance: 'cloud-vtpm' }];
  const report = await check(tpm.file, pins(CASES[2] as Case, { anchors }));
  assert.equal(report.verdict, 'verified');
  assert.match(report.checks.find(({ id }) => id === 'hardware.root')?.detail ?? '', /virtual TPM of a cloud/);
});

test('a policy, catalog or mode that is not the approved one is refused, also where the program is not shown', async () => {
  const other = `sha256:${'77'.repeat(32)}`;
  const { measurement: _, ...unmeasured } = pins(CASES[0] as Case);
  for (const [id, wrong] of [
    ['policy.hash', { policyHash: other }],
    ['catalog.hash', { catalogHash: other }],
  ] as const) {
    assert.deepEqual(failures(await check(snp.file, { ...unmeasured, ...wrong })), [id]);
  }
});

test('a session that only declares its mode has no flag that would accept it', async () => {
  const file = copy(snp.file);
  file.claim.trace.policy.enforcement_mode = 'declared' as 'enforce';
  await sign(file, key);
  const report = await check(file, pins(CASES[0] as Case));
  assert.notEqual(report.verdict, 'verified');
  assert.equal(outcome(report, 'policy.mode'), 'asserted');
  assert.doesNotMatch(report.lacking.join(), /--allow-mode/);
});

test('a register that holds firmware shows no program, whatever reference value it has', async () => {
  const rtmr0: EvidencePolicy = { tdx: { rtmr: { '0': [tdx.rtmr(0)] } } };
  const pcr4: EvidencePolicy = { tpm: { pcrs: { sha256: { '4': ['ab'.repeat(32)] } } } };
  for (const [each, evidencePolicy] of [
    [CASES[1], rtmr0],
    [CASES[2], pcr4],
  ] as [Case, EvidencePolicy][]) {
    const report = await check(each.session.file, pins(each, { evidencePolicy }));
    assert.deepEqual([outcome(report, 'hardware.evidence'), outcome(report, 'gateway.code')], ['proven', 'asserted']);
  }
});

test('a software claim that carries hardware evidence is refused', async () => {
  const file = copy(snp.file);
  file.claim.trace.runtime = {
    platform: 'software-only',
    measurement: `sha256:${'0'.repeat(64)}`,
    firmware_version: 'software-only-dev-mode',
  };
  adopt(file.claim, key);
  await sign(file, key);
  assert.equal((await check(file, pins(CASES[0] as Case))).verdict, 'refused');
});

test('a register of the launch shows the program only when it was read and has its reference value', async () => {
  const wrong = ['00'.repeat(48)];
  const other: EvidencePolicy = {
    tdx: { rtmr: { '2': wrong } },
    tpm: { pcrs: { sha256: { '11': ['00'.repeat(32)] } } },
  };
  for (const each of CASES.slice(1)) {
    const report = await check(each.session.file, pins(each, { evidencePolicy: other }));
    assert.equal(report.verdict, 'refused', each.name);
    assert.equal(outcome(report, 'gateway.code'), 'asserted', each.name);
  }
  const session = await tpmSession(key, EVENTS, { second: false });
  const unread = await check(session.file, pins({ name: '', session, policy: REGISTERS }));
  assert.equal(outcome(unread, 'hardware.measurement'), 'proven');
  assert.equal(outcome(unread, 'gateway.code'), 'asserted');
});

test('a register that any program can reset shows no program', async () => {
  for (const index of ['16', '23']) {
    const pcrs = { sha256: { [index]: LAUNCH_PCR } };
    const session = await azureSession(key, EVENTS, { selection: `sha256:11,${index}`, pcrs });
    const policy: EvidencePolicy = { tpm: { pcrs: { sha256: { [index]: [LAUNCH_PCR] } } } };
    const report = await check(session.file, pins({ name: '', session, policy }));
    assert.deepEqual([outcome(report, 'hardware.evidence'), outcome(report, 'gateway.code')], ['proven', 'asserted']);
    assert.equal(outcome(report, 'policy.hash'), 'asserted');
  }
});

test('a policy that speaks of other hardware than the session has does not look kept', async () => {
  const [first] = CASES as [Case];
  const foreign: EvidencePolicy = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
  const report = await check(first.session.file, pins(first, { evidencePolicy: foreign }));
  assert.equal(report.verdict, 'unverified');
  assert.deepEqual(open(report), ['hardware.policy']);
  const fleet = await check(first.session.file, pins(first, { evidencePolicy: { ...foreign, sevSnp: {} } }));
  assert.equal(fleet.verdict, 'verified');
});
