import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedPath } from '../../../../tests/shared.ts';
import { decodeBase64Url } from '../bytes/base64url.ts';
import { decodeHex, encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { parseJson } from '../json/parse.ts';
import { stringifyJson } from '../json/stringify.ts';
import { isObject, type JsonObject, member } from '../json/value.ts';
import type { ManifestContext } from './context.ts';
import { openEnvelope, readSigners } from './cose.ts';
import { manifestKey } from './keys.ts';
import { verifyManifest } from './verify.ts';

/** Any time between the issue of the vectors' manifests and their expiry: all their other dates are far from it. */
const AT = 1_790_000_000;

/** Members of a vector's context that a manifest is compared with, and what they are called here. */
const RUNTIME: Record<string, string> = {
  system_prompt_hash: 'systemPrompt',
  policy_bundle_hash: 'policyBundle',
  tool_catalog_hash: 'toolCatalog',
  model_version: 'modelVersion',
  rag_corpus_merkle_root: 'ragCorpus',
  memory_snapshot_hash: 'memorySnapshot',
  audit_chain_root: 'auditChainRoot',
  container_image_digest: 'containerImage',
};
const SETTINGS: Record<string, string> = {
  enforce_hitl: 'enforceHitl',
  enforce_attestation: 'enforceAttestation',
  strict_artifact_verification: 'strictArtifacts',
  require_delegation: 'requireDelegation',
  conformance_level: 'conformanceLevel',
  delegation_public_keys: 'delegationKeys',
};

interface Vector {
  id: string;
  description: string;
  manifest?: JsonObject;
  envelope_hex?: string;
  signature_valid?: boolean;
  revoke?: boolean;
  context: JsonObject;
  expected: {
    result: string;
    signature_verified?: boolean;
    attestation_verified?: boolean;
    fields_verified?: Record<string, string>;
    cose?: { tag: number; protected_hex: string; payload_hex: string; signature_hex: string; manifest_hash: string };
  };
}

function object(value: unknown): JsonObject {
  return isObject(value as JsonObject) ? (value as JsonObject) : {};
}

function contextOf(vector: Vector): ManifestContext {
  const issuers = object(vector.context.trusted_key_issuers);
  const tied = Object.keys(issuers).length > 0;
  const keys = Object.entries(object(vector.context.trusted_keys)).map(([id, key]) => {
    const named = (member(issuers, id) ?? []) as string[];
    const trusted = manifestKey(decodeBase64Url(String(key)), 'the vector', tied ? named : undefined);
    assert.equal(trusted.id, id);
    return trusted;
  });
  const runtime: Record<string, unknown> = {};
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(vector.context)) {
    const [compared, setting] = [RUNTIME[name], SETTINGS[name]];
    if (compared !== undefined) runtime[compared] = value;
    else if (setting !== undefined) settings[setting] = value;
    else assert.ok(name.startsWith('trusted_key'), `${vector.id} sets ${name}`);
  }
  const revoked = vector.revoke === true ? [String(vector.manifest?.manifest_id)] : [];
  return { at: AT, keys, runtime, revoked, ...settings };
}

function bytesOf(vector: Vector): Uint8Array<ArrayBuffer> {
  if (vector.envelope_hex !== undefined) return decodeHex(vector.envelope_hex);
  return encodeUtf8(stringifyJson(vector.manifest ?? {}));
}

function vectors(): Vector[] | null {
  const folder = sharedPath('vectors', 'agent-manifest');
  if (folder === null) return null;
  const index = parseJson(readFileSync(join(folder, 'index.json'))) as unknown as { vectors: { file: string }[] };
  return index.vectors.map(({ file }) => parseJson(readFileSync(join(folder, file))) as unknown as Vector);
}

test('the published Agent Manifest vectors, JSON and COSE, give the published verdicts [C-10] [D-45]', async (t) => {
  const all = vectors();
  if (all === null) return t.skip('the vectors are not there');
  assert.ok(all.length > 20);
  for (const vector of all) {
    const report = await verifyManifest(bytesOf(vector), contextOf(vector));
    const said = `${vector.id}, ${vector.description} ${report.summary}`;
    const { expected } = vector;
    assert.equal(report.result, expected.result, said);
    if (expected.signature_verified !== undefined) {
      assert.equal(report.signature_verified, expected.signature_verified, said);
    }
    if (expected.attestation_verified !== undefined) {
      assert.equal(report.attestation_verified, expected.attestation_verified, said);
    }
    const fields: Record<string, string> = {
      ...report.fields,
      delegation_chain: report.delegation,
      hitl_record: report.hitl,
    };
    for (const [name, result] of Object.entries(expected.fields_verified ?? {})) {
      assert.equal(fields[name], result, `${said} ${name}`);
    }
  }
});

test('the pinned bytes of a COSE vector are read element by element', async (t) => {
  const pinned = vectors()?.filter(({ expected }) => expected.cose !== undefined);
  if (pinned === undefined) return t.skip('the vectors are not there');
  assert.ok(pinned.length > 0);
  for (const vector of pinned) {
    const { cose } = vector.expected;
    const envelope = openEnvelope(bytesOf(vector));
    const [signer] = readSigners(envelope);
    assert.equal(envelope.tag, cose?.tag);
    assert.equal(encodeHex(envelope.protected), cose?.protected_hex);
    assert.equal(encodeHex(envelope.payload), cose?.payload_hex);
    assert.equal(encodeHex(signer?.signature ?? new Uint8Array()), cose?.signature_hex);
    assert.equal(envelope.unprotected.size, 0);
    const report = await verifyManifest(bytesOf(vector), contextOf(vector));
    assert.equal(report.facts?.manifest_hash, cose?.manifest_hash);
  }
});
