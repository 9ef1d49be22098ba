import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentIdentity } from '../claim/wire.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import type { Check } from '../report.ts';
import {
  AGENT,
  CATALOG,
  ed25519Signer,
  ISSUER,
  jsonBytes,
  POLICY,
  signCose,
  signJson,
  trusting,
  versionTwo,
  wholeManifest,
  withArtifacts,
} from '../testing/manifest.ts';
import { type BoundSession, manifestBinding } from './binding.ts';
import type { ManifestReport } from './report.ts';
import { verifyManifest } from './verify.ts';

const signer = await ed25519Signer();
const document = wholeManifest();
const SESSION: BoundSession = { policyHash: POLICY, catalogHash: CATALOG, enforcementMode: 'enforce' };
const IDENTITY: AgentIdentity = {
  manifest_id: String(document.manifest_id),
  agent_id: AGENT,
  authenticated_subject: AGENT,
  subject_source: 'svid',
  issuer: ISSUER,
  issuer_key_id: signer.key.id,
  policy_bundle_hash: POLICY,
  tool_catalog_hash: CATALOG,
  intent_hash: `sha256:${sha256Hex('{"statement":"look after customers\u2019 files"}')}`,
};
const RUNTIME = { runtime: { policyBundle: POLICY, toolCatalog: CATALOG } };

const json = await verifyManifest(jsonBytes(await signJson(document, signer)), { ...trusting(signer), ...RUNTIME });
const cose = await verifyManifest(await signCose(versionTwo(), signer), { ...trusting(signer), ...RUNTIME });

/** Ids of the checks that do not speak for the claim. */
function open(identity: AgentIdentity | undefined, session: BoundSession, report: ManifestReport): string[] {
  return manifestBinding(identity, session, report)
    .filter(({ outcome, required }) => outcome === 'failed' || (required && outcome !== 'proven'))
    .map(({ id, outcome }) => `${id.replace('manifest.', '')}: ${outcome}`);
}

test('a claim that says of its agent what the manifest says is bound to it, in both forms [C-09]', () => {
  assert.deepEqual(open(IDENTITY, SESSION, json), []);
  assert.deepEqual(open(IDENTITY, SESSION, cose), []);
  assert.deepEqual(open({ ...IDENTITY, issuer_key_id: '' }, SESSION, cose), []);
  assert.deepEqual(open({ ...IDENTITY, policy_bundle_hash: POLICY.slice(7) }, SESSION, json), []);
});

test('every member of the identity, and of the session, is recomputed: a change of any refuses', () => {
  const other = `sha256:${'9'.repeat(64)}`;
  const changes: [Partial<AgentIdentity>, string][] = [
    [{ manifest_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5d' }, 'manifest_id'],
    [{ agent_id: 'spiffe://trust.example/other' }, 'agent_id'],
    [{ authenticated_subject: 'spiffe://trust.example/other' }, 'subject'],
    [{ issuer: 'spiffe://trust.example/other' }, 'issuer'],
    [{ issuer_key_id: '0'.repeat(64) }, 'issuer_key_id'],
    [{ issuer_key_id: '' }, 'issuer_key_id'],
    [{ policy_bundle_hash: other }, 'policy'],
    [{ tool_catalog_hash: other }, 'catalog'],
    [{ intent_hash: other }, 'intent_hash'],
  ];
  for (const [change, id] of changes) {
    assert.deepEqual(
      open({ ...IDENTITY, ...change }, SESSION, json),
      [`binding.${id}: failed`],
      JSON.stringify(change),
    );
  }
  assert.deepEqual(open(IDENTITY, { ...SESSION, policyHash: other }, json), ['binding.policy_used: failed']);
  assert.deepEqual(open(IDENTITY, { ...SESSION, catalogHash: other }, json), ['binding.catalog_used: failed']);
});

test('the mode of the session is the one that the manifest asks for, in the words of either [D-18]', async () => {
  for (const [asked, ran, fine] of [
    ['enforce', 'enforce', true],
    ['enforce', 'advisory', false],
    ['enforce', 'silent', false],
    ['advisory', 'advisory', true],
    ['advisory', 'enforce', false],
    ['audit-only', 'silent', true],
    ['audit-only', 'declared', false],
  ] as const) {
    const bound = withArtifacts({ policy_bundle: { hash: POLICY, enforcement_mode: asked } });
    const report = await verifyManifest(jsonBytes(await signJson(bound, signer)), trusting(signer));
    const found = open(IDENTITY, { ...SESSION, enforcementMode: ran }, report);
    assert.deepEqual(found, fine ? [] : ['binding.mode: failed'], `${asked} ${ran}`);
  }
});

test('a key of the agent is named only by a gateway that saw an SVID', () => {
  const agent_key_thumbprint = `sha256:${'5'.repeat(64)}`;
  const found = (subject_source: AgentIdentity['subject_source']): Check | undefined =>
    manifestBinding({ ...IDENTITY, subject_source, agent_key_thumbprint }, SESSION, json).find(
      ({ id }) => id === 'manifest.binding.agent_key',
    );
  assert.equal(found('svid')?.outcome, 'asserted');
  assert.equal(found('config')?.outcome, 'failed');
  assert.equal(found('manifest-dev')?.outcome, 'failed');
});

test('a manifest that is not valid binds nothing, one without trusted keys asks for them', async () => {
  const bytes = jsonBytes(await signJson(document, signer));
  const expired = await verifyManifest(bytes, { ...trusting(signer), at: 2e9 });
  assert.deepEqual(open(IDENTITY, SESSION, expired).slice(0, 1), ['valid: failed']);
  const unkeyed = await verifyManifest(bytes, trusting());
  const [valid] = manifestBinding(IDENTITY, SESSION, unkeyed);
  assert.deepEqual([valid?.outcome, valid?.remedy], ['not checked', '--manifest-keys FILE']);
  const garbage = await verifyManifest(new Uint8Array(), trusting(signer));
  assert.deepEqual(open(IDENTITY, SESSION, garbage), ['valid: failed', 'binding.identity: failed']);
  assert.deepEqual(open(undefined, SESSION, json), ['binding.identity: failed']);
});

test('what only one of the two says is not taken for agreement', async () => {
  const { intent_hash: _, ...silent } = IDENTITY;
  assert.deepEqual(open(silent, SESSION, json), ['binding.intent_hash: asserted']);
  const { issuer: __, ...anonymous } = withArtifacts({ tool_manifest: null, policy_bundle: {} }, { intent: null });
  const report = await verifyManifest(jsonBytes(await signJson(anonymous, signer)), trusting(signer));
  assert.deepEqual(open(IDENTITY, SESSION, report), [
    'binding.issuer: failed',
    'binding.intent_hash: failed',
    'binding.policy: failed',
    'binding.policy_used: failed',
    'binding.catalog: failed',
    'binding.catalog_used: failed',
    'binding.mode: asserted',
  ]);
  assert.ok(!open(silent, SESSION, report).includes('binding.intent_hash: failed'));
});

test('a session that ran with the catalog whose Merkle root is bound is bound', async () => {
  const tree = `sha256:${'6'.repeat(64)}`;
  const bound = withArtifacts({ tool_manifest: { catalog_hash: tree } });
  const bytes = jsonBytes(await signJson(bound, signer));
  const identity = { ...IDENTITY, tool_catalog_hash: tree };
  const report = await verifyManifest(bytes, { ...trusting(signer), runtime: { toolCatalogTree: tree } });
  assert.deepEqual(open(identity, { ...SESSION, catalogTree: tree }, report), []);
  assert.deepEqual(open(identity, { ...SESSION, catalogTree: CATALOG }, report), ['binding.catalog_used: failed']);
  assert.deepEqual(open(identity, SESSION, report), ['binding.catalog_used: failed']);
});
