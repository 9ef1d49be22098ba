import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import {
  type LiveDocument,
  type LiveEvidenceFiles,
  type LiveExpectations,
  type LiveReport,
  type LiveStatement,
  verifyLiveAttestation,
  writeLiveDocument,
  writeLiveRecord,
} from '../index.ts';
import {
  answer,
  asOperatorRoot,
  BOOT_PCR,
  expected,
  NONCE,
  NOW,
  PCRS,
  quoteFor,
  statementOf,
  TLS_SPKI,
  TPM_MEASUREMENT,
} from '../testing/live.ts';
import { newKey, type TestKey } from '../testing/session.ts';
import { makeSnp } from '../testing/snp.ts';
import { makeTpm, type TestTpm } from '../testing/tpm.ts';

const given = { nonce: NONCE, tlsSpki: TLS_SPKI, now: NOW };
const shared = {} as { key: TestKey; tpm: TestTpm };

before(async () => {
  shared.key = await newKey();
  shared.tpm = await makeTpm();
});

const outcome = (report: LiveReport, id: string) => report.checks.find((check) => check.id === id)?.outcome;
const onTpm = (statement?: LiveStatement): Promise<LiveDocument> =>
  answer(shared.key, statement, async (bytes) => quoteFor(shared.tpm, bytes));

/** What a client expects of a gateway with a measured launch on a TPM whose root is the operator's. */
const measured = (): LiveExpectations => ({
  ...expected(null, [asOperatorRoot(shared.tpm.root)]),
  acceptOperatorRoot: true,
  measurement: TPM_MEASUREMENT,
  evidencePolicy: { tpm: { pcrs: { sha256: { '11': [BOOT_PCR] } } } },
});
const soft = (): LiveExpectations => ({ ...expected(shared.key), acceptSoftware: true });
const verify = (document: LiveDocument, expectations: LiveExpectations, seen = {}): Promise<LiveReport> =>
  verifyLiveAttestation(writeLiveDocument(document), { ...given, ...seen }, expectations);

test('a gateway without hardware is verified under its pinned key only when a software key is accepted', async () => {
  const document = await answer(shared.key);
  for (const text of [writeLiveDocument(document), writeLiveRecord(document)]) {
    const accepted = await verifyLiveAttestation(text, given, soft());
    assert.equal(accepted.verdict, 'verified', accepted.summary);
    assert.match(accepted.summary, /No hardware vouches for it\.$/);
    assert.deepEqual(accepted.relaxations, ['accept: software']);
    assert.deepEqual(accepted.statement, document.statement);
    const strict = await verifyLiveAttestation(text, given, expected(shared.key));
    assert.equal(strict.verdict, 'unverified');
    assert.deepEqual(strict.lacking, ['accept: software']);
    const unpinned = await verifyLiveAttestation(text, given, { ...expected(null), acceptSoftware: true });
    assert.equal(unpinned.verdict, 'unverified');
    assert.deepEqual(unpinned.lacking, ['keys']);
  }
  const stranger = await verify(document, { ...expected(await newKey()), acceptSoftware: true });
  assert.equal(stranger.verdict, 'refused');
});

test('a gateway on a TPM is verified without any pinned key when all that is expected holds', async () => {
  const report = await verify(await onTpm(), measured());
  assert.equal(report.verdict, 'verified', JSON.stringify(report.checks.filter((check) => check.outcome !== 'proven')));
  assert.deepEqual(report.relaxations, ['accept: operator-root']);
  assert.equal(outcome(report, 'hardware.statement'), 'proven');
  assert.equal(outcome(report, 'gateway.code'), 'proven');
});

test('each expectation that is left out is named as a member of the file of expectations', async () => {
  const document = await onTpm();
  const lacking = async (without: (keyof LiveExpectations)[]): Promise<string[]> => {
    const rest = Object.fromEntries(Object.entries(measured()).filter(([name]) => !without.includes(name as never)));
    const report = await verify(document, rest);
    assert.notEqual(report.verdict, 'verified');
    const accepted = !without.includes('acceptOperatorRoot') && !without.includes('anchors');
    assert.equal(outcome(report, 'key.pinned') === 'proven', accepted, 'only accepted hardware names a key');
    return report.lacking;
  };
  assert.deepEqual(await lacking(['measurement']), ['measurement DIGEST']);
  assert.ok((await lacking(['policyHash'])).includes('policy_hash sha256:…'));
  assert.ok((await lacking(['catalogHash'])).includes('catalog_hash sha256:…'));
  assert.ok((await lacking(['acceptOperatorRoot'])).includes('accept: operator-root'));
  assert.ok((await lacking(['anchors'])).includes('roots'));
  const [code] = await lacking(['evidencePolicy']);
  assert.match(code ?? '', /^evidence_policy with reference values for the boot chain/);
});

test('evidence of SEV-SNP is verified against its measurement, and refused against another', async () => {
  const made = await answer(shared.key, undefined, async () => null);
  const { files, root } = await makeSnp();
  const document = await answer(shared.key, undefined, async (bytes) => {
    const own = await makeSnp({ reportData: bytes });
    Object.assign(root, own.root);
    return { kind: 'sev-snp', files: own.files };
  });
  const anchors = [asOperatorRoot(root)];
  const report = await verify(document, { ...expected(null, anchors), acceptOperatorRoot: true });
  assert.deepEqual(report.lacking, ['measurement DIGEST']);
  assert.equal(outcome(report, 'hardware.statement'), 'proven');
  const other = await verify(document, { ...expected(null, anchors), measurement: `sha384:${'0'.repeat(96)}` });
  assert.equal(other.verdict, 'refused');
  const elsewhere = { ...made, evidence: { kind: 'sev-snp', files } } as LiveDocument;
  assert.equal(outcome(await verify(elsewhere, expected(null, anchors)), 'hardware.statement'), 'failed');
});

test('another challenge, an empty one, or an answer of another time is refused', async () => {
  const document = await answer(shared.key);
  const refused = async (seen: object, id: string): Promise<void> => {
    const report = await verify(document, soft(), seen);
    assert.equal(report.verdict, 'refused');
    assert.equal(outcome(report, id), 'failed');
  };
  await refused({ nonce: new Uint8Array(32).fill(8) }, 'live.nonce');
  await refused({ nonce: NONCE.subarray(0, 31) }, 'live.nonce');
  await refused({ nonce: new Uint8Array() }, 'live.nonce');
  await refused({ now: NOW + 301 }, 'live.time');
  await refused({ now: NOW - 301 }, 'live.time');
  await refused({ now: Number.NaN }, 'live.time');
  assert.equal((await verify(document, soft(), { now: NOW + 300 })).verdict, 'verified');
  assert.equal((await verify(document, { ...soft(), maxAgeSeconds: 10 }, { now: NOW + 11 })).verdict, 'refused');
});

test('a relay that ends TLS with a key of its own is refused, and so is a connection without TLS', async () => {
  const document = await onTpm();
  const relayed = await verify(document, measured(), { tlsSpki: `sha256:${'66'.repeat(32)}` });
  assert.equal(relayed.verdict, 'refused');
  assert.match(relayed.summary, /somebody stands between you and the gateway/);
  assert.equal((await verify(document, measured(), { tlsSpki: 'none' })).verdict, 'refused');
  const stored = await verify(document, measured(), { tlsSpki: null });
  assert.equal(stored.verdict, 'unverified');
  assert.deepEqual(stored.lacking, ['--tls-spki sha256:…']);
});

test('a connection without TLS to a gateway without TLS needs its own word', async () => {
  const document = await answer(shared.key, statementOf(shared.key, { tls_spki: 'none' }));
  const plain = await verify(document, soft(), { tlsSpki: 'none' });
  assert.equal(plain.verdict, 'unverified');
  assert.deepEqual(plain.lacking, ['accept: no-tls']);
  const accepted = await verify(document, { ...soft(), acceptNoTls: true }, { tlsSpki: 'none' });
  assert.equal(accepted.verdict, 'verified');
  assert.deepEqual(accepted.relaxations, ['accept: software', 'accept: no-tls']);
  assert.equal((await verify(document, { ...soft(), acceptNoTls: true })).verdict, 'refused');
});

test('a changed member of the statement is refused, by the signature and by the evidence', async () => {
  const changes: Partial<LiveStatement> = {
    iat: NOW - 1,
    tls_spki: `sha256:${'01'.repeat(32)}`,
    measurement: `sha256:${'02'.repeat(32)}`,
    launch_level: 'ML3',
    policy_hash: `sha256:${'03'.repeat(32)}`,
    catalog_hash: `sha256:${'04'.repeat(32)}`,
    mode: 'advisory',
    config_hash: `sha256:${'05'.repeat(32)}`,
    audit_root: '06'.repeat(32),
    nonce: 'A'.repeat(43),
  };
  const document = await onTpm();
  for (const [name, value] of Object.entries(changes)) {
    const report = await verify({ ...document, statement: { ...document.statement, [name]: value } }, measured());
    assert.equal(report.verdict, 'refused', name);
    assert.equal(outcome(report, 'live.signature'), 'failed', name);
    assert.equal(outcome(report, 'hardware.statement'), 'failed', name);
  }
  // The thumbprint is computed from the key: a statement of another key is another statement.
  const other = await newKey();
  const report = await verify({ ...document, key: other.x }, measured());
  assert.equal(outcome(report, 'live.signature'), 'failed');
  assert.equal(outcome(report, 'hardware.statement'), 'failed');
});

test('a key that the evidence names does not answer for one that cannot sign', async () => {
  const document = await onTpm();
  const stolen = { ...document, signature: (await answer(await newKey())).signature };
  const report = await verify(stolen, measured());
  assert.equal(report.verdict, 'refused');
  assert.equal(outcome(report, 'hardware.statement'), 'proven');
  assert.equal(outcome(report, 'live.signature'), 'failed');
});

test('policy, catalog, mode and gateway are held to what was expected', async () => {
  const document = await answer(shared.key);
  const other = `sha256:${'99'.repeat(32)}`;
  for (const name of ['policyHash', 'catalogHash', 'gatewayMeasurement']) {
    assert.equal((await verify(document, { ...soft(), [name]: other })).verdict, 'refused', name);
  }
  const advisory = await answer(shared.key, statementOf(shared.key, { mode: 'advisory' }));
  const report = await verify(advisory, soft());
  assert.deepEqual([report.verdict, report.lacking], ['unverified', ['modes advisory']]);
  assert.equal((await verify(advisory, { ...soft(), allowModes: ['advisory'] })).verdict, 'verified');
});

test('what a program on a TPM says of itself is only its word where the registers do not show it', async () => {
  const quoted = (pcrs: typeof PCRS) =>
    answer(shared.key, undefined, async (bytes) => quoteFor(shared.tpm, bytes, { pcrs }));
  const { '13': _, ...firmware } = PCRS.sha256 ?? {};
  const self = await verify(await quoted({ sha256: firmware }), measured());
  assert.equal(self.verdict, 'unverified');
  assert.equal(outcome(self, 'policy.hash'), 'asserted');
  const modified = await verify(await quoted({ sha256: { ...firmware, '13': '77'.repeat(32) } }), measured());
  assert.equal(modified.verdict, 'refused');
});

test('the right number in the launch register proves nothing on another boot chain, or where the gateway says that none measured it', async () => {
  const other = { sha256: { ...PCRS.sha256, '11': '00'.repeat(32) } };
  const root = await answer(shared.key, undefined, async (bytes) => quoteFor(shared.tpm, bytes, { pcrs: other }));
  const { evidencePolicy: _, ...unnamed } = measured();
  const report = await verify(root, unnamed);
  assert.deepEqual(
    [
      report.verdict,
      outcome(report, 'gateway.code'),
      outcome(report, 'gateway.measurement'),
      outcome(report, 'policy.hash'),
    ],
    ['unverified', 'asserted', 'asserted', 'asserted'],
  );
  const self = await onTpm(statementOf(shared.key, { launch_level: 'ML0' }));
  const said = await verify(self, measured());
  assert.deepEqual([said.verdict, outcome(said, 'gateway.code')], ['unverified', 'asserted']);
});

test('a live quote has to cover the registers from 0 to 15, and their values have to hash to it', async () => {
  const made = (evidence: (bytes: Uint8Array) => LiveEvidenceFiles) =>
    answer(shared.key, undefined, async (bytes) => evidence(bytes));
  const fewer = await made((bytes) => quoteFor(shared.tpm, bytes, { selection: 'sha256:0,1,2,3,4,5,6,7' }));
  assert.equal((await verify(fewer, measured())).verdict, 'refused');
  const valueless = await made((bytes) => {
    const { pcrs: _, ...files } = quoteFor(shared.tpm, bytes).files;
    return { kind: 'tpm', files };
  });
  assert.notEqual((await verify(valueless, measured())).verdict, 'verified');
  const forged = await made((bytes) => {
    const { files } = quoteFor(shared.tpm, bytes);
    const pcrs = new TextEncoder().encode(JSON.stringify({ sha256: { ...PCRS.sha256, '4': '00'.repeat(32) } }));
    return { kind: 'tpm', files: { ...files, pcrs } };
  });
  assert.equal((await verify(forged, measured())).verdict, 'refused');
});

test('evidence of another TPM, or of another answer, is refused', async () => {
  const other = await makeTpm();
  const foreign = await answer(shared.key, undefined, async (bytes) => quoteFor(other, bytes));
  assert.notEqual((await verify(foreign, measured())).verdict, 'verified');
  const earlier = await onTpm(statementOf(shared.key, { nonce: 'B'.repeat(43) }));
  const document = await onTpm();
  const spliced = await verify({ ...document, evidence: earlier.evidence }, measured());
  assert.equal(spliced.verdict, 'refused');
  assert.equal(outcome(spliced, 'hardware.statement'), 'failed');
});

test('a policy that speaks of no evidence in the answer does not look met', async () => {
  const report = await verify(await onTpm(), { ...measured(), evidencePolicy: { tdx: {} } });
  assert.equal(report.verdict, 'unverified');
  const software = await verify(await answer(shared.key), { ...soft(), measurement: TPM_MEASUREMENT });
  assert.equal(software.verdict, 'refused');
});

test('whatever bytes come, the answer is a report, and a changed statement never a verified one', async () => {
  const text = writeLiveDocument(await onTpm());
  const claims = text.indexOf('"evidence"');
  const bytes = new TextEncoder().encode(text);
  const expectations = measured();
  const flip = fc.record({ at: fc.nat(claims - 1), to: fc.integer({ min: 1, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(flip, async ({ at, to }) => {
      const changed = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ to : byte));
      assert.notEqual((await verifyLiveAttestation(changed, given, expectations)).verdict, 'verified');
    }),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(40), async (at, to, cut) => {
      const changed = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ to : byte));
      await verifyLiveAttestation(changed, given, expectations);
      await verifyLiveAttestation(bytes.subarray(0, bytes.length - cut), given, expectations);
    }),
    { numRuns: 150 },
  );
  const document = await onTpm();
  const roles = Object.keys(document.evidence?.files ?? {});
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...roles), fc.uint8Array({ maxLength: 300 }), async (role, junk) => {
      const files = { ...document.evidence?.files, [role]: new Uint8Array(junk) };
      await verify({ ...document, evidence: { kind: 'tpm', files } }, expectations);
    }),
    { numRuns: 150 },
  );
  for (const input of [null, 5, {}, [], undefined])
    assert.equal((await verifyLiveAttestation(input as never, given, expectations)).verdict, 'refused');
});
