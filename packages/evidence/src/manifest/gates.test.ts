import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256Hex } from '../crypto/sha256.ts';
import { canonicalManifest } from '../json/manifest-form.ts';
import type { JsonObject } from '../json/value.ts';
import {
  AT,
  ed25519Signer,
  jsonBytes,
  signCose,
  signJson,
  trusting,
  versionTwo,
  wholeManifest,
  withArtifacts,
} from '../testing/manifest.ts';
import type { ManifestReport } from './report.ts';
import { verifyManifest } from './verify.ts';

const signer = await ed25519Signer();

async function verdict(document: JsonObject, at = AT): Promise<ManifestReport> {
  return verifyManifest(jsonBytes(await signJson(document, signer)), { ...trusting(signer), at });
}

const HASH = `sha256:${'1'.repeat(64)}`;
const time = '2026-06-01T00:00:00Z';
const part = (document: JsonObject, name: string): JsonObject =>
  (document.artifacts as Record<string, JsonObject>)[name] ?? {};

const MEMORY = {
  baseline_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5c',
  memory_type: 'session',
  store: 's',
  approved_at: time,
  drift_policy: 'log-only',
  bound_at: time,
  snapshot_hash: HASH,
};
const TRACE = {
  trace_type: 'hash-chained',
  audit_chain_root: HASH,
  audit_chain_uri: 'https://a',
  signing_key_id: 'k',
  audit_key_sealed: true,
  first_entry_at: time,
  last_entry_at: time,
  bound_at: time,
};

test('a member that manifests do not have, or that is of another type, refuses: at any depth', async () => {
  const hop = { hop: 0, principal_id: 'p', scope_grant: {} };
  const wrong: Record<string, JsonObject> = {
    extra: wholeManifest({ extra: 1 }),
    prototype: JSON.parse('{"__proto__":{}}'),
    'manifest_id not UUIDv7': wholeManifest({ manifest_id: '018f4a3b-2c1d-4e5f-a8b9-0d1e2f3a4b5c' }),
    'agent_id not SPIFFE': wholeManifest({ agent_id: 'https://a' }),
    'issuer not SPIFFE': wholeManifest({ issuer: 'me' }),
    'issuer null': wholeManifest({ issuer: null }),
    'another type': wholeManifest({ '@type': 'Invoice' }),
    'time without zone': wholeManifest({ issued_at: '2026-06-01T00:00:00' }),
    'time as number': wholeManifest({ expires_at: 1_800_000_000 }),
    'unknown profile': wholeManifest({ crypto_profile: 'none' }),
    'crypto_profile null': wholeManifest({ crypto_profile: null }),
    'unknown manifest profile': wholeManifest({ profile: 'partial' }),
    'artifacts null': wholeManifest({ artifacts: null }),
    'unknown artifact': withArtifacts({ other: {} }),
    'hash in capitals': withArtifacts({ system_prompt: { hash: HASH.toUpperCase() } }),
    'hash of another kind': withArtifacts({ policy_bundle: { hash: `sha384:${'1'.repeat(96)}` } }),
    'extra in an artifact': withArtifacts({ policy_bundle: { hash: HASH, note: '' } }),
    'unknown mode': withArtifacts({ policy_bundle: { hash: HASH, enforcement_mode: 'silent' } }),
    'extra in a tool': withArtifacts({ tool_manifest: { tools: [{ tool_id: 't', x: 1 }] } }),
    'tools not a list': withArtifacts({ tool_manifest: { tools: {} } }),
    'ttl too short': withArtifacts({ memory_baseline: { ttl_seconds: 3599 } }),
    'ttl too long': withArtifacts({ memory_baseline: { ttl_seconds: 7_776_001 } }),
    'ttl as a fraction': withArtifacts({ memory_baseline: { ttl_seconds: '3600' } }),
    'slsa level 5': withArtifacts({ supply_chain: { slsa_provenance: { declared_level: 5 } } }),
    'count below zero': withArtifacts({ rag_corpus: { document_count: -1 } }),
    'hop not a number': wholeManifest({ delegation_chain: [{ ...hop, hop: '0' }] }),
    'extra in a hop': wholeManifest({ delegation_chain: [{ ...hop, x: 1 }] }),
    'extra in a scope': wholeManifest({ delegation_chain: [{ ...hop, scope_grant: { x: 1 } }] }),
    'chain not a list': wholeManifest({ delegation_chain: {} }),
    'required as text': wholeManifest({ hitl_record: { required: 'true' } }),
    'approver a workload': wholeManifest({ hitl_record: { approvals: [{ approver_id: 'spiffe://a/b' }] } }),
    'intent as text': wholeManifest({ intent: 'x' }),
    'empty intent': wholeManifest({ intent: { statement: '' } }),
    'extra in the intent': wholeManifest({ intent: { statement: 'x', more: 'y' } }),
    'attestation as text': wholeManifest({ attestation: 'x' }),
    'no manifest_id': without('manifest_id'),
    'no agent_id': without('agent_id'),
    'no issued_at': without('issued_at'),
    'no expires_at': without('expires_at'),
    'no artifacts': without('artifacts'),
  };
  for (const [name, document] of Object.entries(wrong)) {
    const report = await verdict(document);
    assert.equal(report.result, 'MISMATCH', name);
    assert.equal(report.checks.at(-1)?.id, 'manifest.schema', name);
    assert.equal(report.facts, null, name);
  }
});

function without(name: string): JsonObject {
  const { [name]: _, ...rest } = wholeManifest();
  return rest;
}

test('members may be missing below the top level, and then rules between members are not applied', async () => {
  const abridged = withArtifacts({ system_prompt: { hash: HASH } }, { expires_at: '2099-01-01T00:00:00Z' });
  const report = await verdict(abridged);
  assert.equal(report.result, 'VALID', report.summary);
  assert.equal(report.checks.find(({ id }) => id === 'manifest.whole')?.outcome, 'asserted');
  for (const life of [
    { expires_at: '2099-01-01T00:00:00Z' },
    { issued_at: '2026-09-21T00:00:00Z', expires_at: '2026-09-21T00:59:59Z' },
  ]) {
    assert.equal((await verdict(wholeManifest(life))).result, 'MISMATCH');
  }
});

test('rules between the members of a whole object hold', async () => {
  const artifact = (name: string, changes: JsonObject): JsonObject =>
    withArtifacts({ [name]: { ...part(wholeManifest(), name), ...changes } });
  const wrong: Record<string, JsonObject> = {
    'yaml-agt without its version': artifact('policy_bundle', { policy_language: 'yaml-agt' }),
    'hash of a model behind an interface': artifact('model_identity', { model_hash: HASH }),
    'local model without hash': artifact('model_identity', { deployment_type: 'local' }),
    'wrong attestation type': artifact('model_identity', { model_attestation_type: 'hash-bound' }),
    'session memory without snapshot': withArtifacts({ memory_baseline: { ...MEMORY, snapshot_hash: null } }),
    'no memory with snapshot': withArtifacts({ memory_baseline: { ...MEMORY, memory_type: 'none' } }),
    'persistent memory without end': withArtifacts({ memory_baseline: { ...MEMORY, memory_type: 'persistent' } }),
    'shared memory of nobody': withArtifacts({
      memory_baseline: { ...MEMORY, memory_type: 'shared', ttl_seconds: 3600 },
    }),
    'session memory of somebody': withArtifacts({
      memory_baseline: { ...MEMORY, shared_memory_owner: MEMORY.baseline_id },
    }),
    'trace that ends before it starts': withArtifacts({
      decision_trace: { ...TRACE, last_entry_at: '2026-05-01T00:00:00Z' },
    }),
    'assessment without its time': artifact('system_prompt', {
      assurance_test: { suite_id: 's', suite_version: '1', harness_version: '1', result: 'passed' },
    }),
    'no policy': withArtifacts({ policy_bundle: null }),
    'unbound without profile': wholeManifest({ unbound_artifacts: ['rag_corpus'] }),
    'composition without list': wholeManifest({ profile: 'composition-only' }),
    'composition that leaves one out': wholeManifest({
      profile: 'composition-only',
      unbound_artifacts: ['rag_corpus', 'memory_baseline', 'decision_trace', 'supply_chain', 'delegation_chain'],
    }),
    'composition that names one twice': wholeManifest({
      profile: 'composition-only',
      unbound_artifacts: [...UNBOUND, 'system_prompt'],
    }),
    'no signature of its algorithm': wholeManifest(),
  };
  for (const [name, document] of Object.entries(wrong)) {
    const signed = await signJson(document, signer);
    const block = signed.signature as JsonObject;
    const bytes = name.startsWith('no signature') ? { ...signed, signature: { ...block, pq_signature: 'AA' } } : signed;
    const report = await verifyManifest(jsonBytes(bytes), trusting(signer));
    assert.equal(report.result, 'MISMATCH', name);
    assert.equal(report.checks.at(-1)?.id, 'manifest.schema', `${name}: ${report.summary}`);
  }
  for (const fine of [
    withArtifacts({ memory_baseline: MEMORY, decision_trace: TRACE }),
    withArtifacts({ memory_baseline: { ...MEMORY, memory_type: 'none', snapshot_hash: null } }),
    wholeManifest({ agent_instance_id: MEMORY.baseline_id }),
  ]) {
    const report = await verdict(fine);
    assert.equal(report.result, 'VALID', report.summary);
  }
});

const UNBOUND = ['rag_corpus', 'memory_baseline', 'decision_trace', 'supply_chain', 'delegation_chain', 'hitl_record'];

test('a composition-only manifest is never a whole agent: INCOMPLETE', async () => {
  const report = await verdict(wholeManifest({ profile: 'composition-only', unbound_artifacts: UNBOUND }));
  assert.equal(report.result, 'INCOMPLETE', report.summary);
  assert.equal(report.signature_verified, true);
});

test('a version that is not known is incompatible, and its other members are not interpreted', async () => {
  for (const version of ['0.3', '0.10', '1.0', '']) {
    assert.equal((await verdict(wholeManifest({ version }))).result, 'INCOMPATIBLE_VERSION', version);
  }
  assert.equal((await verdict(without('version'))).result, 'INCOMPATIBLE_VERSION');
});

test('a manifest is in force from issued_at until just before expires_at [D-45]', async () => {
  const [issued, expires] = [Date.UTC(2026, 5, 1) / 1000, Date.UTC(2027, 4, 1) / 1000];
  const envelope = await signCose(versionTwo(), signer);
  for (const [at, result] of [
    [issued - 1, 'MISMATCH'],
    [issued, 'VALID'],
    [expires - 0.001, 'VALID'],
    [expires, 'EXPIRED'],
    [expires + 1e9, 'EXPIRED'],
    [Number.NaN, 'EXPIRED'],
  ] as const) {
    assert.equal((await verdict(wholeManifest(), at)).result, result, String(at));
    assert.equal((await verifyManifest(envelope, { ...trusting(signer), at })).result, result, String(at));
  }
});

test('JSON is read strictly: what two readers could read differently is refused', async () => {
  const good = Buffer.from(jsonBytes(await signJson(wholeManifest(), signer))).toString();
  const wrong: Record<string, string> = {
    'a name twice': good.replace('{', '{"issuer":"spiffe://a/b",'),
    'text after it': `${good} x`,
    'two manifests': good + good,
    'a byte order mark': `\ufeff${good}`,
    NaN: good.replace('{', '{"attestation":NaN,'),
    'a comment': `/**/${good}`,
    'nesting without end': `{"attestation":${'['.repeat(100_000)}`,
    '65 levels': good.replace('{', `{"attestation":{"a":${'['.repeat(63)}${']'.repeat(63)}},`),
    'a list': `[${good}]`,
    nothing: '',
    'a text': '"x"',
    'more than a mebibyte': good.replace('{', `{"attestation":{"a":"${'x'.repeat(1024 * 1024)}"},`),
  };
  for (const [name, text] of Object.entries(wrong)) {
    const report = await verifyManifest(new TextEncoder().encode(text), trusting(signer));
    assert.equal(report.result, 'MISMATCH', name);
    assert.equal(report.checks.at(-1)?.id, 'manifest.form', name);
  }
});

test('what a conformance level asks for is reported when it is missing, and not made part of the verdict', async () => {
  const detail = async (document: JsonObject, conformanceLevel: number): Promise<string | undefined> => {
    const signed = await signJson(document, signer);
    const report = await verifyManifest(jsonBytes(signed), { ...trusting(signer), conformanceLevel });
    assert.equal(report.result, 'VALID', report.summary);
    const level = report.checks.find(({ id }) => id === 'manifest.level');
    return level?.outcome === 'proven' ? 'proven' : level?.detail;
  };
  assert.equal(await detail(wholeManifest(), 0), undefined);
  assert.match((await detail(wholeManifest(), 1)) ?? '', /attestation.*sealed audit key.*image digest$/);
  assert.match((await detail(wholeManifest(), 2)) ?? '', /rag_corpus, memory_baseline.*180 days$/);
  assert.match((await detail(wholeManifest(), 3)) ?? '', /post-quantum profile$/);
  const first = withArtifacts({ decision_trace: TRACE, supply_chain: { container_image_digest: HASH } });
  const signed = await signJson(first, signer);
  const own = `sha256:${sha256Hex(canonicalManifest(signed))}`;
  const attested = jsonBytes({ ...signed, attestation: { manifest_hash_in_report: own } });
  const report = await verifyManifest(attested, { ...trusting(signer), conformanceLevel: 1 });
  assert.equal(report.checks.find(({ id }) => id === 'manifest.level')?.outcome, 'proven');
});
