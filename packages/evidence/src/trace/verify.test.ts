import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import { thumbprintOf } from '../revocation/key-ids.ts';
import { newKey } from '../testing/session.ts';
import {
  altered,
  bitFlips,
  failures,
  newStatementKey,
  open,
  outcomeOf,
  signJcs,
  signStatement,
} from '../testing/signed.ts';
import { hardwareRecord, RECORD_POLICY, RECORD_TIME, signedRecord, softwareRecord } from '../testing/trust-record.ts';
import { leafHash } from '../transparency/leaf.ts';
import type { TrustRecordExpectations } from './expectations.ts';
import { parseTrustRecord } from './parse.ts';
import { verifyTrustRecord } from './verify.ts';

/** All that a record of `key` needs to be verified. */
const pins = (key: { x: string }): TrustRecordExpectations => ({
  keys: [{ x: key.x, source: 'trusted.jwk' }],
  policyHash: RECORD_POLICY,
  acceptSoftware: true,
  now: RECORD_TIME + 10,
});

const verify = (record: JsonObject, expectations: TrustRecordExpectations) =>
  verifyTrustRecord(stringifyJson(record), expectations);

test('nothing, the wrong and the right key: only a trusted key makes a record verified', async () => {
  const { key, signed } = await signedRecord();
  const { keys: _, ...rest } = pins(key);
  const nothing = await verify(signed, rest);
  assert.deepEqual([nothing.verdict, open(nothing.checks)], ['unverified', ['trace.key']]);
  assert.equal(outcomeOf(nothing.checks, 'trace.key'), 'asserted');
  assert.deepEqual(nothing.lacking, ['--key FILE']);
  const wrong = await verify(signed, { ...rest, keys: [{ x: (await newKey()).x, source: 'other.jwk' }] });
  assert.deepEqual([wrong.verdict, failures(wrong.checks)], ['refused', ['trace.key']]);
  const right = await verify(signed, pins(key));
  assert.deepEqual([right.verdict, open(right.checks)], ['verified', []]);
  assert.equal(right.session_id, null);
  assert.deepEqual(right.relaxations, ['--accept-software']);
});

test('a record that anyone signed anew with a fresh key is consistent, and never verified', async () => {
  const { key, record } = await signedRecord();
  const thief = await newKey();
  const stolen = await signJcs(altered(record, 'cnf.jwk.x', thief.x), thief);
  assert.deepEqual(failures((await verify(stolen, pins(key))).checks), ['trace.key']);
  const { keys: _, ...rest } = pins(key);
  assert.equal((await verify(stolen, rest)).verdict, 'unverified');
  // With the trusted key in it, and the thief's signature.
  const forged = await signJcs(record, thief);
  assert.deepEqual(failures((await verify(forged, pins(key))).checks), ['trace.signature']);
});

test('the profile of TRACE v0.1 is refused by name, and any other as unknown', async () => {
  const { key, record } = await signedRecord();
  const of = async (profile: unknown) => {
    const signed = await signJcs(altered(record, 'eat_profile', profile), key);
    return verify(signed, pins(key));
  };
  const old = await of('tag:agentrust.io,2026:trace-v0.1');
  assert.deepEqual(failures(old.checks), ['trace.profile']);
  assert.match(old.summary, /v0\.1/);
  for (const profile of ['tag:agentrust-io.com,2026:trace-v0.3', '', 7, undefined]) {
    assert.deepEqual(failures((await of(profile)).checks), ['trace.profile']);
  }
});

test('a record has exactly the members of its schema, each in its form', async () => {
  const { key, record } = await signedRecord();
  const cases: [string, unknown][] = [
    ['iat', 1_600_000_000],
    ['iat', '1790000000'],
    ['subject', 'https://example.org'],
    ['subject', 'spiffe://example.org'],
    ['subject', 'spiffe://example.org/a\n'],
    ['model.model_id', undefined],
    ['model.weights_digest', 'sha256:00'],
    ['runtime.platform', 'amd-sev'],
    ['runtime.measurement', `sha256:${'0'.repeat(63)}`],
    ['runtime.tcb', '1'],
    ['policy.enforcement_mode', 'off'],
    ['data_class', undefined],
    ['tool_transcript', { hash: `sha256:${'0'.repeat(64)}`, call_count: -1 }],
    ['delegation', { parent_record_hash: `sha256:${'0'.repeat(64)}`, credential_id: '' }],
    ['origin', { kind: 'elsewhere', producer: 'x' }],
    ['build_provenance', undefined],
    ['build_provenance.slsa_level', 4],
    ['build_provenance.provenance_depth', 'deep'],
    ['appraisal.timestamp', -1],
    ['appraisal.status', 'fine'],
    ['appraisal.verifier', undefined],
    ['transparency', 'http://log.example/1'],
    ['transparency', 'https://'],
    ['cnf.jwk.kty', undefined],
    ['cnf.jwk.crv', undefined],
    ['cnf.kid', 'x'],
    ['references', []],
    ['extra', 1],
  ];
  for (const [path, value] of cases) {
    const { checks } = await verify(await signJcs(altered(record, path, value), key), pins(key));
    assert.deepEqual(failures(checks), ['trace.form'], path);
  }
});

test('a record without a signature, or with one in another encoding, is refused', async () => {
  const { key, signed } = await signedRecord();
  for (const signature of [undefined, '', 7, `${signed.signature}==`, signed.signature.replaceAll(/[-_]/g, '+')]) {
    const record = altered(signed, 'signature', signature);
    if (record.signature !== signed.signature) assert.equal((await verify(record, pins(key))).verdict, 'refused');
  }
  const { checks } = await verify(altered(signed, 'signature', undefined), pins(key));
  assert.deepEqual(failures(checks), ['trace.form']);
  const padded = await verify(altered(signed, 'signature', `${signed.signature}==`), pins(key));
  assert.deepEqual(failures(padded.checks), ['trace.form']);
  const short = await verify(altered(signed, 'signature', 'AAAA'), pins(key));
  assert.deepEqual(failures(short.checks), ['trace.signature']);
});

test('a record that publishes a member of its private key is refused', async () => {
  const { key, record } = await signedRecord();
  for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) {
    const leaked = await signJcs(altered(record, `cnf.jwk.${member}`, 'AAAA'), key);
    const { checks } = await verify(leaked, pins(key));
    assert.deepEqual(failures(checks), ['trace.form'], member);
    assert.match(checks.find(({ id }) => id === 'trace.form')?.detail ?? '', /private key member/);
  }
});

test('only an Ed25519 key signs a record: any other kind and any bad key is refused', async () => {
  const { key, record } = await signedRecord();
  const jwks: JsonObject[] = [
    { kty: 'EC', crv: 'P-256', x: key.x, y: key.x },
    { kty: 'OKP', crv: 'X25519', x: key.x },
    { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
    { kty: 'OKP', crv: 'Ed25519', x: encodeBase64Url(Uint8Array.of(1, ...new Uint8Array(31))) },
  ];
  for (const jwk of jwks) {
    const signed = await signJcs(altered(record, 'cnf.jwk', jwk), key);
    const keys = [{ x: String(jwk.x), source: 'given' }];
    const { checks } = await verify(signed, { ...pins(key), keys });
    assert.deepEqual(failures(checks), ['trace.key', 'trace.signature']);
  }
});

test('a key that no revocation can name is not looked for in a bundle', async () => {
  const { key, record } = await signedRecord();
  for (const x of ['AAAA', '']) {
    const signed = await signJcs(altered(record, 'cnf.jwk.x', x), key);
    const { checks } = await verify(signed, { ...pins(key), revocation: { bundle: '{}' } });
    assert.deepEqual(failures(checks), ['trace.key', 'trace.signature']);
  }
});

test('what someone else assembled has no hardware platform', async () => {
  const { key, record } = await signedRecord(hardwareRecord);
  const from = async (kind: string, changed: JsonObject) =>
    verify(await signJcs({ ...changed, origin: { kind, producer: 'importer' } }, key), pins(key));
  for (const kind of ['third-party-control-plane', 'log-import']) {
    assert.deepEqual(failures((await from(kind, record)).checks), ['trace.form']);
    assert.deepEqual(failures((await from(kind, softwareRecord(key))).checks), []);
  }
  assert.deepEqual(failures((await from('self', record)).checks), []);
});

test('a record is at most 300 s ahead of the clock and 86,400 s behind it, unless another age was asked for [C-13]', async () => {
  const { key, signed } = await signedRecord();
  const at = async (now: number, maxAgeSeconds?: number) =>
    outcomeOf(
      (await verify(signed, { ...pins(key), now, ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }) })).checks,
      'trace.iat',
    );
  assert.equal(await at(RECORD_TIME - 300), 'proven');
  assert.equal(await at(RECORD_TIME - 301), 'failed');
  assert.equal(await at(RECORD_TIME + 86_400), 'proven');
  assert.equal(await at(RECORD_TIME + 86_401), 'failed');
  assert.equal(await at(RECORD_TIME + 60, 60), 'proven');
  assert.equal(await at(RECORD_TIME + 61, 60), 'failed');
  assert.equal(await at(Number.NaN), 'failed');
});

test('without a clock the age of a record is asserted, and an age that was asked for is lacking', async () => {
  const { key, signed } = await signedRecord();
  const { now: _, ...timeless } = pins(key);
  const report = await verify(signed, timeless);
  assert.deepEqual([report.verdict, outcomeOf(report.checks, 'trace.iat')], ['verified', 'asserted']);
  const asked = await verify(signed, { ...timeless, maxAgeSeconds: 60 });
  assert.deepEqual([asked.verdict, asked.lacking], ['unverified', ['--at TIME']]);
});

test('nothing, the wrong and the right nonce', async () => {
  const { key, record, signed } = await signedRecord();
  const ask = async (nonce: string, subject: JsonObject = signed) =>
    outcomeOf((await verify(subject, { ...pins(key), nonce })).checks, 'trace.nonce');
  assert.equal(outcomeOf((await verify(signed, pins(key))).checks, 'trace.nonce'), 'not checked');
  assert.equal(await ask('b3RoZXI'), 'failed');
  assert.equal(await ask('bm9uY2U'), 'proven');
  // Another text of the same bytes is no text of them.
  for (const nonce of ['bm9uY2U=', 'bm9uY2V', '']) assert.equal(await ask(nonce), 'failed');
  assert.equal(await ask('bm9uY2U', await signJcs(altered(record, 'runtime.nonce', undefined), key)), 'failed');
  const loose = await signJcs(altered(record, 'runtime.nonce', 'bm9uY2U='), key);
  assert.equal(await ask('bm9uY2U', loose), 'failed');
});

test('a record of a revoked key is refused, and one that was checked against a current bundle says so [L-21]', async () => {
  const { key, record, signed } = await signedRecord();
  const bundler = await newStatementKey('ES256');
  const id = encodeBase64Url(thumbprintOf(bundler.public));
  const keys = [{ key: bundler.public, source: 'bundler.jwk' }];
  const bundleOf = async (statements: JsonObject[], validUntil = RECORD_TIME + 3600) =>
    stringifyJson(
      await signStatement(
        {
          type: 'TraceRevocationBundle/1.0',
          log_id: 'log',
          issued_at: RECORD_TIME,
          valid_until: validUntil,
          statements,
          bundle_key_id: id,
        },
        bundler,
      ),
    );
  const ask = async (bundle: string, more: TrustRecordExpectations = {}) =>
    verify(signed, { ...pins(key), revocation: { bundle, keys }, ...more });
  assert.equal((await ask(await bundleOf([]))).verdict, 'verified');
  const raw = thumbprintOf({ kind: 'ed25519', raw: Uint8Array.from(Buffer.from(key.x, 'base64url')) });
  const revocationOf = (compromised: string) =>
    signStatement(
      {
        type: 'TraceRevocation/1.0',
        compromised_key_id: compromised,
        last_valid_entry_id: '7',
        log_id: 'log',
        revocation_key_id: id,
      },
      bundler,
    );
  const statement = await revocationOf(encodeBase64Url(raw));
  const revoked = await ask(await bundleOf([statement]));
  assert.deepEqual([revoked.verdict, failures(revoked.checks)], ['refused', ['revocation.key']]);
  const byKid = await bundleOf([await revocationOf('kid-1')]);
  assert.equal((await ask(byKid)).verdict, 'verified');
  const kidded = await signJcs(altered(record, 'cnf.jwk.kid', 'kid-1'), key);
  const named = await verify(kidded, { ...pins(key), revocation: { bundle: byKid, keys } });
  assert.deepEqual(failures(named.checks), ['revocation.key']);
  const before = await ask(await bundleOf([statement]), { inclusion: { logId: 'log', entryId: '7' } });
  assert.equal(before.verdict, 'verified');
  const expired = await ask(await bundleOf([], RECORD_TIME + 1));
  assert.deepEqual([expired.verdict, failures(expired.checks)], ['unverified', []]);
  assert.equal(outcomeOf((await verify(signed, pins(key))).checks, 'revocation.key'), 'not checked');
});

test('nothing, the wrong and the right policy; a mode that does not enforce must be allowed', async () => {
  const { key, record, signed } = await signedRecord();
  const { policyHash: _, ...unpinned } = pins(key);
  assert.deepEqual((await verify(signed, unpinned)).lacking, ['--policy-hash sha256:…']);
  assert.equal((await verify(signed, { ...unpinned, unpinnedPolicy: true })).verdict, 'verified');
  const other = `sha256:${'1'.repeat(64)}`;
  assert.deepEqual(failures((await verify(signed, { ...unpinned, policyHash: other })).checks), ['trace.policy']);
  const advisory = await signJcs(altered(record, 'policy.enforcement_mode', 'advisory'), key);
  const refused = await verify(advisory, pins(key));
  assert.deepEqual([refused.verdict, refused.lacking], ['unverified', ['--allow-mode advisory']]);
  assert.equal((await verify(advisory, { ...pins(key), allowModes: ['advisory'] })).verdict, 'verified');
  const declared = await signJcs(altered(record, 'policy.enforcement_mode', 'declared'), key);
  assert.deepEqual((await verify(declared, pins(key))).lacking, []);
  assert.equal((await verify(declared, pins(key))).verdict, 'unverified');
});

test('no record shows hardware: whoever relies on the key alone must say so, whatever platform it names', async () => {
  const { key, signed } = await signedRecord(hardwareRecord);
  const { acceptSoftware: _, ...strict } = pins(key);
  const report = await verify(signed, strict);
  assert.deepEqual([report.verdict, open(report.checks)], ['unverified', ['trace.hardware', 'trace.measurement']]);
  assert.equal(outcomeOf(report.checks, 'trace.hardware'), 'not checked');
  assert.equal((await verify(signed, pins(key))).verdict, 'verified');
  const measured = await verify(signed, { ...pins(key), measurement: `sha384:${'5a'.repeat(48)}` });
  assert.deepEqual([measured.verdict, outcomeOf(measured.checks, 'trace.measurement')], ['unverified', 'asserted']);
  const wrong = await verify(signed, { ...pins(key), measurement: `sha384:${'00'.repeat(48)}` });
  assert.deepEqual(failures(wrong.checks), ['trace.measurement']);
});

test('what a report does not speak about names a software key only where there was one', async () => {
  const named = async (make: typeof softwareRecord) => {
    const { key, signed } = await signedRecord(make);
    const { residual, checks } = await verify(signed, pins(key));
    return [residual.some((line) => line.includes('software key')), outcomeOf(checks, 'trace.hardware')];
  };
  assert.deepEqual(await named(softwareRecord), [true, 'asserted']);
  assert.deepEqual(await named(hardwareRecord), [false, 'not checked']);
});

test('a parser by itself refuses a record of another profile', async () => {
  const { signed } = await signedRecord();
  assert.throws(() => parseTrustRecord(altered(signed, 'eat_profile', 'x'), { references: false }), FormatError);
});

test('a key that this machine remembers adds trust, and does not contradict another', async () => {
  const { key, signed } = await signedRecord();
  const known = { x: key.x, source: 'known', remembered: true };
  const other = { x: (await newKey()).x, source: 'known', remembered: true };
  assert.equal((await verify(signed, { ...pins(key), keys: [other, known] })).verdict, 'verified');
  assert.equal(outcomeOf((await verify(signed, { ...pins(key), keys: [other] })).checks, 'trace.key'), 'asserted');
});

test('each level asks for what it asks for', async () => {
  const { key, record, signed } = await signedRecord(hardwareRecord);
  const ask = async (level: 0 | 1 | 2, subject: JsonObject = signed) =>
    outcomeOf((await verify(subject, { ...pins(key), level })).checks, 'trace.level');
  const software = await signJcs(softwareRecord(key), key);
  assert.deepEqual(
    [await ask(0, software), await ask(1, software), await ask(2, software)],
    ['proven', 'failed', 'failed'],
  );
  assert.deepEqual([await ask(0), await ask(1), await ask(2)], ['proven', 'proven', 'not checked']);
  assert.equal(outcomeOf((await verify(signed, pins(key))).checks, 'trace.level'), undefined);
  const lacking: [string, unknown][] = [
    ['runtime.platform', 'software-only'],
    ['runtime.measurement', `sha384:${'0'.repeat(96)}`],
    ['appraisal.status', 'warning'],
    ['appraisal.status', 'none'],
  ];
  for (const [path, value] of lacking)
    assert.equal(await ask(1, await signJcs(altered(record, path, value), key)), 'failed', path);
  assert.equal(await ask(2, await signJcs(altered(record, 'transparency', undefined), key)), 'failed');
});

test('level 2 needs a proof that the record is in the registry, and the right one', async () => {
  const { key, signed } = await signedRecord(hardwareRecord);
  const entry = {
    ts: '2027-01-01T00:00:00Z',
    merkle_root: `sha256:${encodeHex(leafHash(signed))}`,
    leaf_count: 1,
    producer: 'p',
    batch_id: 'b',
  };
  const proof = stringifyJson({ leaf_index: 0, audit_path: [] });
  const ask = (entryMembers: JsonObject) =>
    verify(signed, { ...pins(key), level: 2, anchor: { entry: stringifyJson({ ...entry, ...entryMembers }), proof } });
  assert.equal((await ask({})).verdict, 'verified');
  const wrong = await ask({ merkle_root: `sha256:${'0'.repeat(64)}` });
  assert.deepEqual(failures(wrong.checks), ['anchor.inclusion', 'trace.level']);
});

test('references are accepted only when the relying party says so, and are not followed [C-11]', async () => {
  const { key, record } = await signedRecord();
  const signed = await signJcs({ ...record, references: [{ id: 'r-1' }] }, key);
  assert.deepEqual(failures((await verify(signed, pins(key))).checks), ['trace.form']);
  const accepted = await verify(signed, { ...pins(key), allowReferences: true });
  assert.equal(accepted.verdict, 'verified');
  assert.equal(outcomeOf(accepted.checks, 'trace.references'), 'not checked');
  const malformed = await signJcs({ ...record, references: 'r-1' }, key);
  assert.deepEqual(failures((await verify(malformed, { ...pins(key), allowReferences: true })).checks), ['trace.form']);
});

test('what the record says of itself is never proven', async () => {
  const { key, record } = await signedRecord(hardwareRecord);
  const signed = await signJcs(
    { ...record, delegation: { parent_record_hash: `sha256:${'0'.repeat(64)}`, credential_id: 'c' } },
    key,
  );
  const { checks } = await verify(signed, pins(key));
  assert.equal(outcomeOf(checks, 'trace.appraisal'), 'asserted');
  assert.equal(outcomeOf(checks, 'trace.build'), 'asserted');
  assert.equal(outcomeOf(checks, 'trace.delegation'), 'not checked');
});

test('an expectation that no Trust Record can meet does not look met', async () => {
  const { key, signed } = await signedRecord();
  for (const more of [
    { catalogHash: RECORD_POLICY },
    { receipts: [{ call_id: 'c', session_id: 's' }] },
    { minEvidenceClass: 'tls-pinned' as const },
  ]) {
    const report = await verify(signed, { ...pins(key), ...more });
    assert.deepEqual([report.verdict, open(report.checks)], ['unverified', ['trace.expectations']]);
  }
});

test('the signature is over RFC 8785, not over the sorted form of claims', async () => {
  const { key, record } = await signedRecord();
  const named = altered(record, 'data_class', 'streng vertraulich – nur für uns');
  assert.equal((await verify(await signJcs(named, key), pins(key))).verdict, 'verified');
  const sorted = { ...named, signature: await key.sign(new TextEncoder().encode(canonicalSorted(named))) };
  assert.deepEqual(failures((await verify(sorted, pins(key))).checks), ['trace.signature']);
});

test('a number that RFC 8785 cannot carry leaves nothing that could have been signed', async () => {
  const { key, signed } = await signedRecord();
  const text = stringifyJson(signed).replace('"kty"', '"n":9007199254740993,"kty"');
  assert.deepEqual(failures((await verifyTrustRecord(text, pins(key))).checks), ['trace.signature']);
});

test('a record with any bit flipped is refused', async () => {
  const { key, signed } = await signedRecord();
  for (const bytes of bitFlips(signed)) {
    assert.equal((await verifyTrustRecord(bytes, pins(key))).verdict, 'refused');
  }
});

test('any input gives a report that verifies nothing, never an exception', async () => {
  const { key, signed } = await signedRecord(hardwareRecord);
  const text = stringifyJson(signed);
  const members = [
    'eat_profile',
    'iat',
    'subject',
    'runtime',
    'runtime.platform',
    'policy',
    'cnf',
    'cnf.jwk',
    'cnf.jwk.x',
    'signature',
    '__proto__',
    'references',
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...members), fc.jsonValue())
    .map(([path, value]) => JSON.stringify(altered(signed, path, value)));
  const bad = fc.constantFrom(
    '',
    '[]',
    '['.repeat(200_000),
    '{"a":'.repeat(200_000),
    `{"eat_profile":"${'a'.repeat(2_000_000)}"}`,
    text.replace('{', '{"iat":1,'),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated, bad),
      fc.boolean(),
      async (input, allowReferences) => {
        const report = await verifyTrustRecord(input, { ...pins(key), allowReferences });
        if (input !== text) assert.equal(report.verdict, 'refused');
      },
    ),
    { numRuns: 500 },
  );
  for (const input of [null, undefined, 7, {}]) {
    assert.equal((await verifyTrustRecord(input as unknown as string, {})).verdict, 'refused');
  }
});
