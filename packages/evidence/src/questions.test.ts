import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Expectations, type Report, type SessionFile, stringifyJson, verify } from './index.ts';
import { LAUNCH_PCR, snpSession, tpmSession } from './testing/hardware-session.ts';
import { CATALOG_HASH, makeSession, newKey, POLICY_HASH, split } from './testing/session.ts';

const key = await newKey();
const KEYS: Expectations = { keys: [{ x: key.x, source: 'given' }] };
const PINS: Expectations = { policyHash: POLICY_HASH, catalogHash: CATALOG_HASH };

const ask = async (file: SessionFile, expectations: Expectations): Promise<Report> =>
  verify(stringifyJson(file), expectations);
const required = ({ checks }: Report) => checks.filter((check) => check.required).map(({ id }) => id);
const informative = ({ checks }: Report) => checks.filter((check) => !check.required).map(({ id }) => id);
/** Those whose answer is that of the evidence itself. */
const summed = (ids: string[]) => ids.filter((id) => !/^hardware\.[a-z-]+\./.test(id));

/** What every session is asked: an answer that is missing holds the verdict up, whatever the reason. */
const CLAIM = ['claim.signature', 'claim.key_names', 'claim.platform'];
const CHAIN = [
  'bundle.signature',
  'chain.hashes',
  'chain.links',
  'chain.sequence',
  'chain.order',
  'chain.frame',
  'chain.session',
  'chain.bounds',
  'chain.calls',
  'chain.checkpoints',
  'chain.extent',
];
const CONTENT = [
  'session.commitments',
  'transcript.hash',
  'transcript.calls',
  'summary.counts',
  'summary.tools',
  'summary.domains',
  'summary.crossings',
  'summary.incidents',
  'summary.unconfirmed',
];
const FORM = ['file.format', 'claim.schema', 'chain.schema'];
const HARDWARE = ['hardware.evidence', 'hardware.root', 'hardware.key', 'hardware.chain'];
const STATE = ['hardware.measurement', 'gateway.code'];
const APPROVED = ['policy.hash', 'catalog.hash', 'policy.mode'];
const REST = ['session.authority', 'times.possible', 'file.read'];

test('a software session: these answers are required, and those are only told', async () => {
  const file = await makeSession(key);
  const software = ['hardware.evidence', 'hardware.measurement'];
  const before = [...FORM, ...CLAIM, ...CHAIN, ...CONTENT];
  const report = await ask(file, { ...KEYS, ...PINS, acceptSoftware: true });
  assert.equal(report.verdict, 'verified');
  assert.deepEqual(required(report), [...before, 'key.pinned', ...APPROVED, ...REST]);
  const told = [
    'claim.nonce',
    'claim.number',
    'summary.sensitivity',
    ...software,
    'calls.evidence_class',
    'times.age',
    'times.true',
    'revocation.key',
    'store.rollback',
    'sessions.others',
  ];
  assert.deepEqual(informative(report), told);
  assert.deepEqual(required(await ask(file, { ...KEYS, ...PINS })), [
    ...before,
    ...software,
    'key.pinned',
    ...APPROVED,
    ...REST,
  ]);
});

test('a relaxation takes away its own question, and an expectation adds one', async () => {
  const file = await makeSession(key);
  const base = { ...KEYS, ...PINS, acceptSoftware: true };
  const questions = required(await ask(file, base));
  const change = async (more: Expectations) => {
    const asked = required(await ask(file, { ...base, ...more }));
    return {
      less: questions.filter((id) => !asked.includes(id)),
      more: asked.filter((id) => !questions.includes(id)),
    };
  };
  assert.deepEqual(await change({ unpinnedPolicy: true }), { less: ['policy.hash'], more: [] });
  assert.deepEqual(await change({ unpinnedCatalog: true }), { less: ['catalog.hash'], more: [] });
  assert.deepEqual(await change({ minEvidenceClass: 'tls-pinned' }), { less: [], more: ['calls.evidence_class'] });
  assert.deepEqual(await change({ now: 1_790_000_010 }), { less: [], more: ['times.age'] });
  for (const other of [{ acceptOperatorRoot: true }, { acceptSoftwareTpm: true }, { allowPermitAll: true }]) {
    assert.deepEqual(await change(other), { less: [], more: [] });
  }
});

test('a session on hardware: evidence, root, key, chain, state and code are required', async () => {
  const { file, root, measurement } = await snpSession(key);
  const report = await ask(file, { ...PINS, measurement, anchors: [{ ...root, source: 'vendor' }] });
  assert.equal(report.verdict, 'verified');
  assert.deepEqual(summed(required(report)), [
    ...[...FORM, ...CLAIM, ...CHAIN, ...CONTENT],
    ...[...HARDWARE, ...STATE, 'key.pinned', ...APPROVED, ...REST],
  ]);
  assert.deepEqual(required(report), summed(required(report)), 'what the evidence is asked is summed up');
  assert.ok(report.checks.some(({ id }) => id === 'hardware.sev-snp.report_data'));
  assert.deepEqual(report.relaxations, []);
  assert.doesNotMatch(report.summary, /software/);
  assert.match(report.residual.join(), /Hardware makers/);
  assert.match(report.residual.join(), /judged at the time that the claim names/);
  assert.doesNotMatch(report.residual.join(), /software key/);
  const software = await ask(await makeSession(key), { ...KEYS, ...PINS, acceptSoftware: true });
  assert.match(software.summary, /This is a software session\./);
  assert.match(software.residual.join(), /software key/);
});

test('of a software TPM that is accepted it is not asked which program it recorded, and of any other it is', async () => {
  const { file, root } = await tpmSession(key, [], { device: { manufacturer: 'id:00001014', model: 'swtpm' } });
  const policy = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
  const asked: Expectations = { ...PINS, anchors: [{ ...root, source: 'vendor' }], evidencePolicy: policy };
  const refused = await ask(file, asked);
  assert.deepEqual(
    [...HARDWARE, ...STATE].filter((id) => !required(refused).includes(id)),
    [],
  );
  const accepted = await ask(file, { ...asked, acceptSoftwareTpm: true });
  assert.deepEqual(
    [...HARDWARE, ...STATE].filter((id) => !required(accepted).includes(id)),
    ['gateway.code'],
  );
  assert.deepEqual(accepted.relaxations, ['--accept-software-tpm']);
});

test('each relaxation that is in force is repeated in the report, and no other', async () => {
  const file = await makeSession(key);
  const flags: [Expectations, string][] = [
    [{ acceptSoftware: true }, '--accept-software'],
    [{ acceptSoftwareTpm: true }, '--accept-software-tpm'],
    [{ acceptOperatorRoot: true }, '--accept-operator-root'],
    [{ unpinnedPolicy: true }, '--unpinned-policy'],
    [{ unpinnedCatalog: true }, '--unpinned-catalog'],
    [{ allowPermitAll: true }, '--allow-permit-all'],
    [{ allowExceptions: true }, '--allow-exceptions'],
    [{ allowModes: ['advisory'] }, '--allow-mode advisory'],
  ];
  for (const [relaxed, flag] of flags) assert.deepEqual((await ask(file, relaxed)).relaxations, [flag]);
  const off = { acceptSoftware: false, acceptSoftwareTpm: false, unpinnedPolicy: false, allowModes: [] };
  assert.deepEqual((await ask(file, off)).relaxations, []);
});

test('a pin is the same digest with or without its prefix and in either case, and no other is', async () => {
  const file = await makeSession(key);
  const verdict = async (policyHash: string) =>
    (await ask(file, { ...KEYS, acceptSoftware: true, catalogHash: CATALOG_HASH, policyHash })).verdict;
  const bare = POLICY_HASH.slice('sha256:'.length);
  for (const pin of [POLICY_HASH, bare, bare.toUpperCase()]) assert.equal(await verdict(pin), 'verified', pin);
  for (const pin of [CATALOG_HASH, '', 'sha256:', bare.slice(1), `${bare}0`, `sha384:${bare}`]) {
    assert.equal(await verdict(pin), 'refused', pin);
  }
});

test('what is lacking names each flag once, and only flags', async () => {
  const { lacking } = await ask(await makeSession(key), {});
  assert.deepEqual(lacking, ['--accept-software', '--key FILE', '--policy-hash sha256:…', '--catalog-hash sha256:…']);
});

test('entries that are beside a file are one question more, and a file that cannot be read is asked no further', async () => {
  const { session } = split(await makeSession(key));
  const alone = await verify(stringifyJson(session), { ...KEYS, ...PINS });
  assert.deepEqual(
    alone.checks.map(({ id, outcome }) => [id, outcome]).filter(([, outcome]) => outcome !== 'proven'),
    [
      ['file.entries', 'not checked'],
      ['claim.nonce', 'not checked'],
    ],
  );
  assert.ok(required(alone).includes('file.entries'));
  const noise = await verify('noise', PINS);
  assert.deepEqual(required(noise), ['file.format']);
  assert.deepEqual([noise.verdict, noise.claim, noise.session_id], ['refused', null, null]);
});

test('the report names the parts of the file that an answer rests on, the most particular ones', async () => {
  const { file, root, measurement } = await snpSession(key);
  const { checks } = await ask(file, { ...PINS, measurement, anchors: [{ ...root, source: 'vendor' }] });
  const behind = (id: string) => checks.find((check) => check.id === id)?.evidence;
  assert.deepEqual(behind('file.format'), []);
  assert.deepEqual(behind('claim.schema'), ['claim']);
  assert.deepEqual(behind('claim.nonce')?.[0], 'claim.trace.runtime.nonce');
  assert.deepEqual(behind('chain.links'), ['bundle.entries']);
  assert.deepEqual(behind('policy.mode')?.[0], 'claim.trace.policy.enforcement_mode');
  assert.deepEqual(behind('hardware.sev-snp.report_data'), ['claim.gateway.attestation_evidence', 'evidence']);
  assert.deepEqual(behind('hardware.key'), ['claim.gateway.attestation_evidence', 'claim.trace.cnf.jwk']);
  assert.deepEqual(behind('store.rollback'), ['bundle.entries[0].detail.rollback_protection']);
  assert.deepEqual(behind('sessions.others'), []);
});

test('a signature over entries that are not what they were hashed as is not looked at', async () => {
  const file = await makeSession(key);
  const [start] = file.bundle.entries;
  if (start !== undefined) start.caller = 'somebody else';
  const { checks } = await ask(file, { ...KEYS, ...PINS, acceptSoftware: true });
  const outcome = (id: string) => checks.find((check) => check.id === id)?.outcome;
  assert.deepEqual([outcome('chain.hashes'), outcome('bundle.signature')], ['failed', 'not checked']);
});
