import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64Url } from '../bytes/base64url.ts';
import type { JsonObject } from '../json/value.ts';
import type { Check } from '../report.ts';
import { onEngine, throwing } from '../testing/engine.ts';
import {
  AT,
  ed25519Signer,
  hybridKey,
  ISSUER,
  jsonBytes,
  mlDsaSigner,
  signCose,
  signCoseBy,
  signHybrid,
  signJson,
  trusting,
  versionTwo,
  wholeManifest,
} from '../testing/manifest.ts';
import type { ManifestContext } from './context.ts';
import type { ManifestReport } from './report.ts';
import { verifyManifest } from './verify.ts';

const block = (document: JsonObject): JsonObject => document.signature as JsonObject;
const check = (report: ManifestReport, id: string): Check | undefined => report.checks.find((one) => one.id === id);

/** The verdict on a JSON manifest whose signature block is changed. */
async function withBlock(document: JsonObject, changes: JsonObject, context: ManifestContext): Promise<ManifestReport> {
  return verifyManifest(jsonBytes({ ...document, signature: { ...block(document), ...changes } }), context);
}

test('nothing, the wrong and the right key: unverifiable, mismatch, valid', async () => {
  const [signer, other] = [await ed25519Signer(), await ed25519Signer()];
  for (const bytes of [jsonBytes(await signJson(wholeManifest(), signer)), await signCose(versionTwo(), signer)]) {
    const right = await verifyManifest(bytes, trusting(other, signer));
    assert.equal(right.result, 'VALID', right.summary);
    assert.equal(right.signature_verified, true);
    assert.equal(right.facts?.issuer_key_id, signer.key.id);
    assert.equal(right.checks.find(({ id }) => id === 'manifest.whole')?.outcome, 'proven');
    const wrong = await verifyManifest(bytes, trusting(other));
    assert.equal(wrong.result, 'MISMATCH');
    assert.match(wrong.summary, /not among the trusted keys/);
    const nothing = await verifyManifest(bytes, trusting());
    assert.equal(nothing.result, 'UNVERIFIABLE');
    assert.deepEqual(
      [nothing.signature_verified, check(nothing, 'manifest.key')?.remedy],
      [false, '--manifest-keys FILE'],
    );
  }
});

test('every member that a signature covers is covered: a change of any refuses', async () => {
  const signer = await ed25519Signer();
  const signed = await signJson(wholeManifest(), signer);
  const changes: JsonObject = {
    '@context': 'https://elsewhere.example',
    manifest_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5d',
    previous_manifest_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5d',
    agent_id: 'spiffe://trust.example/agent/other',
    agent_instance_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5d',
    min_verifier_version: '9',
    issued_at: '2026-06-01T00:00:01Z',
    expires_at: '2027-05-01T00:00:01Z',
    issuer: 'spiffe://trust.example/other',
    source_bundle: { format: 'agent-plugins-1.0.0', digest: `sha256:${'d'.repeat(64)}` },
    hitl_record: { required: false },
    log_retention: { minimum_retention_days: 1, retention_enforced_by: 'x' },
    data_scope: { automated_decision_making: true },
    operational_lifecycle: { expected_lifetime_days: 1 },
    intent: { statement: 'something else' },
    prior_transparency_log_entry: {
      log_id: 'x',
      log_index: 0,
      entry_uuid: 'x',
      integrated_time: 0,
      inclusion_proof: { checkpoint: 'x', hashes: [], tree_size: 0 },
    },
  };
  for (const [name, value] of Object.entries(changes)) {
    const report = await verifyManifest(jsonBytes({ ...signed, [name]: value }), trusting(signer));
    assert.equal(report.result, 'MISMATCH', name);
    assert.equal(check(report, 'manifest.signature')?.outcome, 'failed', name);
  }
});

test('what is attached after signing, and the list of signed fields, are not covered', async () => {
  const signer = await ed25519Signer();
  const record = { required: false, approvals: [] };
  const signed = await signJson(wholeManifest({ hitl_record: record }), signer);
  const free = await withBlock(signed, { signed_fields: ['manifest_id'] }, trusting(signer));
  assert.equal(free.result, 'VALID', free.summary);
  const approved = { ...signed, hitl_record: { required: false } };
  assert.equal((await verifyManifest(jsonBytes(approved), trusting(signer))).result, 'VALID');
});

test('a signature has one text: padding, the other alphabet and stray bits are refused [ATK-36]', async () => {
  const signer = await ed25519Signer();
  const signed = await signJson(wholeManifest(), signer);
  const text = String(block(signed).signature_value);
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  const others = [`${text}==`, `${text.slice(0, -1)}B`, `${text}AA`, text.slice(0, -2), `${text}\n`, 'AA', '-'];
  for (const value of standard === text ? others : [...others, standard]) {
    const report = await withBlock(signed, { signature_value: value }, trusting(signer));
    assert.equal(report.result, 'MISMATCH', value);
    assert.equal(report.signature_verified, false);
  }
});

test('a hybrid signature holds only with both halves, each in its place', async () => {
  const [classical, pq, otherPq] = [await ed25519Signer(), mlDsaSigner(1), mlDsaSigner(2)];
  const key = hybridKey(classical, pq);
  const context: ManifestContext = { at: AT, keys: [key, classical.key, pq.key] };
  const document = wholeManifest({ crypto_profile: 'post-quantum' });
  const signed = await signHybrid(document, classical, pq);
  const good = await verifyManifest(jsonBytes(signed), context);
  assert.equal(good.result, 'VALID', good.summary);
  const { classical_signature: first = '', pq_signature: second = '' } = block(signed);
  const foreign = block(await signHybrid(document, await ed25519Signer(), otherPq));
  for (const [name, changes] of Object.entries({
    swapped: { classical_signature: second, pq_signature: first },
    'no pq': { pq_signature: null },
    'no classical': { classical_signature: null },
    'empty pq': { pq_signature: '' },
    'foreign pq': { pq_signature: foreign.pq_signature ?? '' },
    'foreign classical': { classical_signature: foreign.classical_signature ?? '' },
    'pq twice': { classical_signature: second },
    'lax pq': { pq_signature: `${second}=` },
    // Each half under its own key, which is trusted: still not what the profile asks for, or not the key's own block.
    'classical alone': {
      algorithm: 'Ed25519',
      key_id: classical.key.id,
      signature_value: first,
      classical_signature: null,
      pq_signature: null,
    },
    'renamed algorithm': {
      algorithm: 'Ed25519',
      signature_value: first,
      classical_signature: null,
      pq_signature: null,
    },
    'renamed key': { key_id: classical.key.id },
  } satisfies Record<string, JsonObject>)) {
    const report = await withBlock(signed, changes, context);
    assert.equal(report.result, 'MISMATCH', name);
    assert.equal(report.signature_verified, false, name);
  }
});

test('an ML-DSA-65 signature of its own verifies, and one of another key does not', async () => {
  const [signer, other] = [mlDsaSigner(1), mlDsaSigner(2)];
  const document = wholeManifest({ crypto_profile: 'post-quantum' });
  const signed = await signJson(document, signer);
  assert.equal((await verifyManifest(jsonBytes(signed), trusting(signer))).result, 'VALID');
  const forged = block(await signJson(document, other)).signature_value ?? '';
  assert.equal((await withBlock(signed, { signature_value: forged }, trusting(signer))).result, 'MISMATCH');
  const short = String(block(signed).signature_value).slice(0, 86);
  assert.equal((await withBlock(signed, { signature_value: short }, trusting(signer))).result, 'MISMATCH');
});

test('a post-quantum manifest with a classical signature is a downgrade, whether or not a key is given', async () => {
  const signer = await ed25519Signer();
  const [one, two] = [
    wholeManifest({ crypto_profile: 'post-quantum' }),
    versionTwo({ crypto_profile: 'post-quantum' }),
  ];
  for (const bytes of [jsonBytes(await signJson(one, signer)), await signCose(two, signer)]) {
    for (const context of [trusting(signer), trusting()]) {
      const report = await verifyManifest(bytes, context);
      assert.equal(report.result, 'MISMATCH');
      assert.equal(check(report, 'manifest.profile')?.outcome, 'failed');
    }
  }
});

test('COSE_Sign: both signers verify, and dropping, doubling or mixing them is refused', async () => {
  const [classical, pq, other] = [await ed25519Signer(), mlDsaSigner(1), await ed25519Signer()];
  const document = versionTwo({ crypto_profile: 'post-quantum' });
  const both = await verifyManifest(await signCoseBy(document, [classical, pq]), trusting(classical, pq));
  assert.equal(both.result, 'VALID', both.summary);
  assert.deepEqual(both.facts?.issuer_key_ids, [classical.key.id, pq.key.id]);
  const result = async (bytes: Promise<Uint8Array>, context: ManifestContext): Promise<string> =>
    (await verifyManifest(await bytes, context)).result;
  assert.equal(await result(signCoseBy(document, [classical]), trusting(classical, pq)), 'MISMATCH');
  assert.equal(await result(signCoseBy(document, [classical, pq]), trusting(classical)), 'MISMATCH');
  assert.equal(await result(signCoseBy(document, [classical, pq]), trusting(pq)), 'MISMATCH');
  assert.equal(await result(signCoseBy(document, []), trusting(classical, pq)), 'MISMATCH');
  const eddsa = { ...other, alg: -8 };
  assert.equal(await result(signCoseBy(versionTwo(), [classical, eddsa]), trusting(classical, other)), 'MISMATCH');
  assert.equal(await result(signCoseBy(versionTwo(), [eddsa]), trusting(other)), 'VALID');
  const renamed = { ...classical, alg: -49 };
  assert.equal(await result(signCoseBy(versionTwo(), [renamed]), trusting(classical)), 'MISMATCH');
});

test('a key signs only for the issuers that it is tied to [C-09]', async () => {
  const [signer, other] = [await ed25519Signer(), await ed25519Signer()];
  const tied = (issuers: string[] | undefined, more: string[] | undefined): ManifestContext => ({
    at: AT,
    keys: [
      { ...signer.key, ...(issuers === undefined ? {} : { issuers }) },
      { ...other.key, ...(more === undefined ? {} : { issuers: more }) },
    ],
  });
  const { issuer: _, ...anonymous } = wholeManifest();
  for (const [form, bytes, nameless] of [
    ['json', jsonBytes(await signJson(wholeManifest(), signer)), jsonBytes(await signJson(anonymous, signer))],
    ['cose', await signCose(versionTwo(), signer), await signCose({ ...anonymous, version: '0.2' }, signer)],
  ] as const) {
    assert.equal((await verifyManifest(bytes, tied([ISSUER], undefined))).result, 'VALID', form);
    assert.equal((await verifyManifest(bytes, tied(undefined, undefined))).result, 'VALID', form);
    for (const context of [
      tied(['spiffe://trust.example/other'], undefined),
      tied(undefined, [ISSUER]),
      tied([], []),
    ]) {
      const report = await verifyManifest(bytes, context);
      assert.equal(report.result, 'MISMATCH', form);
      assert.equal(check(report, 'manifest.issuer')?.outcome, 'failed', form);
      // In an envelope the signature is settled before anyone is asked whom it may speak for.
      assert.equal(report.signature_verified, form === 'cose');
    }
    assert.equal((await verifyManifest(nameless, tied([ISSUER], undefined))).result, 'MISMATCH', form);
    assert.equal((await verifyManifest(nameless, tied(undefined, undefined))).result, 'VALID', form);
  }
});

test('a manifest without signature is never valid, and bare version 0.2 JSON is refused by name', async () => {
  const signer = await ed25519Signer();
  for (const signature of [null, {}, undefined]) {
    const bare = signature === undefined ? wholeManifest() : wholeManifest({ signature });
    const report = await verifyManifest(jsonBytes(bare), trusting(signer));
    assert.equal(report.result, 'SIGNATURE_MISSING');
  }
  const bare = await verifyManifest(jsonBytes(versionTwo()), trusting(signer));
  assert.equal(bare.result, 'SIGNATURE_MISSING');
  assert.match(bare.summary, /bare JSON.*COSE/);
  const detached = await verifyManifest(jsonBytes(await signJson(versionTwo(), signer)), trusting(signer));
  assert.equal(detached.result, 'MISMATCH');
  assert.match(detached.summary, /COSE/);
  const { algorithm: _, ...unnamed } = block(await signJson(wholeManifest(), signer));
  const report = await verifyManifest(jsonBytes(wholeManifest({ signature: unnamed })), trusting(signer));
  assert.equal(report.result, 'MISMATCH');
});

test('no algorithm, or one that is not known, refuses before anyone is asked for keys', async () => {
  const signer = await ed25519Signer();
  const { algorithm: _, ...unnamed } = block(await signJson(wholeManifest(), signer));
  assert.equal((await verifyManifest(jsonBytes(wholeManifest({ signature: unnamed })), trusting())).result, 'MISMATCH');
  const unknown = await signCose(versionTwo(), { ...signer, alg: -7 });
  assert.equal((await verifyManifest(unknown, trusting())).result, 'MISMATCH');
});

test('an envelope whose signature does not hold is a mismatch, not merely expired', async () => {
  const [signer, other] = [await ed25519Signer(), await ed25519Signer()];
  const forged = await signCose(versionTwo(), { ...other, key: signer.key });
  const report = await verifyManifest(forged, { ...trusting(signer), at: 2e9 });
  assert.equal(report.result, 'MISMATCH');
  assert.equal(report.facts, null);
});

test('an engine without Ed25519 leaves manifests unverifiable, also where the other signature holds', async () => {
  const [classical, pq] = [await ed25519Signer(), mlDsaSigner(1)];
  const document = wholeManifest({ crypto_profile: 'post-quantum' });
  const forms: [Uint8Array, ManifestContext][] = [
    [jsonBytes(await signJson(wholeManifest(), classical)), trusting(classical)],
    [jsonBytes(await signHybrid(document, classical, pq)), { at: AT, keys: [hybridKey(classical, pq)] }],
    [await signCoseBy({ ...document, version: '0.2' }, [classical, pq]), trusting(classical, pq)],
  ];
  for (const engine of [undefined, throwing('NotSupportedError')]) {
    for (const [bytes, context] of forms) {
      const report = await onEngine(engine, () => verifyManifest(bytes, context));
      assert.deepEqual([report.result, report.signature_verified], ['UNVERIFIABLE', false]);
      assert.equal(check(report, 'manifest.signature')?.outcome, 'not checked');
    }
  }
});

test('flipping any bit of the signed payload, the protected header or the signature is refused', async () => {
  const signer = await ed25519Signer();
  const envelope = await signCose(versionTwo(), signer);
  const context = trusting(signer);
  assert.equal((await verifyManifest(envelope, context)).result, 'VALID');
  for (let at = 0; at < envelope.length; at++) {
    for (const bit of at % 5 === 0 ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
      const flipped = envelope.slice();
      flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
      const { result, signature_verified } = await verifyManifest(flipped, context);
      assert.notEqual(result, 'VALID', `byte ${at} bit ${bit}`);
      assert.equal(signature_verified, false, `byte ${at} bit ${bit}`);
    }
  }
});

test('flipping any bit of a detached signature, or of a byte string of the JSON that it covers, is refused', async () => {
  const signer = await ed25519Signer();
  const signed = await signJson(wholeManifest(), signer);
  const context = trusting(signer);
  const value = Buffer.from(String(block(signed).signature_value), 'base64url');
  for (let at = 0; at < value.length; at++) {
    const flipped = new Uint8Array(value);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    assert.equal((await withBlock(signed, { signature_value: encodeBase64Url(flipped) }, context)).result, 'MISMATCH');
  }
  const bytes = jsonBytes(signed);
  const end = Buffer.from(bytes).indexOf('"signature"');
  for (let at = 0; at < end; at++) {
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 7));
    const { result } = await verifyManifest(flipped, context);
    assert.notEqual(result, 'VALID', `byte ${at}`);
  }
});
