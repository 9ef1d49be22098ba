import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64Url, readBase64Url } from './bytes/base64url.ts';
import { encodeHex } from './bytes/hex.ts';
import { encodeUtf8 } from './bytes/utf8.ts';
import { digest, sha256Hex } from './crypto/sha256.ts';
import type { Expectations } from './expectations.ts';
import { canonicalSorted } from './json/canonical.ts';
import { stringifyJson } from './json/stringify.ts';
import type { JsonObject } from './json/value.ts';
import type { Report } from './report.ts';
import { thumbprintOf } from './revocation/key-ids.ts';
import { AGENT, ed25519Signer, ISSUER, jsonBytes, signJson, wholeManifest, withArtifacts } from './testing/manifest.ts';
import {
  CATALOG_HASH,
  type EventSpec,
  makeSession,
  newKey,
  POLICY_HASH,
  START_SECONDS,
  seal,
  sign,
} from './testing/session.ts';
import { newStatementKey, signSorted, signStatement } from './testing/signed.ts';
import { leafHash } from './transparency/leaf.ts';
import { verify } from './verify.ts';

const EVENTS: EventSpec[] = [{ kind: 'allow', tool: 'arm.move', domain: 'internal', dataClass: 'public' }];
const key = await newKey();
const controller = await newKey();
const given = (x: string) => ({ x, source: 'given' });
const PINS: Expectations = {
  keys: [given(key.x)],
  policyHash: POLICY_HASH,
  catalogHash: CATALOG_HASH,
  acceptSoftware: true,
};

const check = (file: JsonObject, more: Expectations = {}): Promise<Report> =>
  verify(stringifyJson(file), { ...PINS, ...more });
const outcome = (report: Report, id: string) => report.checks.find((each) => each.id === id)?.outcome;

const ACTION = {
  agent_id: AGENT,
  action_type: 'move',
  action_scope: 'arm',
  action_timestamp: new Date(START_SECONDS * 1000).toISOString(),
};

/** A session whose call carries a receipt of the controller, and the payload that the receipt names. */
async function embodied(linked?: string, by = controller) {
  const file = await makeSession(key, EVENTS);
  const entry = file.bundle.entries[1];
  assert.ok(entry);
  const payload = {
    ...ACTION,
    profile: 'cmcp.embodied_action_evidence.v0',
    call_id: entry.call_id ?? '',
    action_ref: digest(canonicalSorted(ACTION)),
    governance_decision: 'allow',
    policy_bundle_hash: POLICY_HASH,
    tool_catalog_hash: CATALOG_HASH,
    controller_target: 'arm-1',
    handoff_timestamp: new Date((START_SECONDS + 1) * 1000).toISOString(),
  };
  entry.external_execution_evidence = await signSorted(
    {
      issuer: 'arm-1',
      issuer_key_id: sha256Hex(readBase64Url(by.x) ?? ''),
      evidence_hash: digest(canonicalSorted(payload)),
      evidence_type: 'controller-execution-receipt/v1',
      linked_call_id: linked ?? entry.call_id ?? '',
    },
    by,
  );
  await seal(file, key);
  return { file, payload };
}

test('a receipt of a controller is checked under the key that the relying party names, and without it is said to be unchecked [D-37]', async () => {
  const { file } = await embodied();
  const controllerKeys = [given(controller.x)];
  assert.equal(outcome(await check(file, { controllerKeys }), 'controller.signature'), 'proven');
  const unnamed = await check(file);
  assert.equal(outcome(unnamed, 'controller.signature'), 'not checked');
  assert.equal(unnamed.verdict, 'verified');
  const { file: other } = await embodied('6f9619ff-8b86-4011-b42d-00c04fc964ff');
  const swapped = await check(other, { controllerKeys });
  assert.equal(swapped.verdict, 'refused');
  assert.equal(outcome(swapped, 'controller.call'), 'failed');
});

test('a receipt under the key of the gateway itself adds nothing to its word, and the report says so', async () => {
  const said = async (by: typeof key) => {
    const { file } = await embodied(undefined, by);
    const { checks } = await check(file, { controllerKeys: [given(by.x)] });
    return checks.find(({ id }) => id === 'controller.independence')?.detail ?? '';
  };
  assert.match(await said(controller), /no receipt is under the key of the gateway/);
  assert.match(await said(key), /1 receipts are under the key of the gateway itself/);
});

test('what a controller did is held against the entry of its call, and a payload of no call in the chain is refused', async () => {
  const { file, payload } = await embodied();
  const action = (document: JsonObject): Expectations => ({
    controllerKeys: [given(controller.x)],
    actions: [{ payload: stringifyJson(document), source: 'action.json' }],
  });
  const report = await check(file, action(payload));
  assert.deepEqual(
    report.checks.filter(({ id, outcome: found }) => id.startsWith('action.') && found === 'failed'),
    [],
  );
  assert.equal(outcome(report, 'action.1.embodied.hash'), 'proven');
  assert.equal(outcome(report, 'action.1.embodied.issuer'), 'proven');
  assert.equal(
    outcome(await check(file, { ...action(payload), controllerKeys: [] }), 'action.1.embodied.issuer'),
    'not checked',
  );
  const age = async (maxAgeSeconds: number) =>
    outcome(await check(file, { ...action(payload), now: START_SECONDS + 60, maxAgeSeconds }), 'action.1.embodied.age');
  assert.deepEqual([await age(3600), await age(10)], ['proven', 'failed']);
  const moved = await check(file, action({ ...payload, controller_target: 'arm-2' }));
  assert.equal(outcome(moved, 'action.1.embodied.hash'), 'failed');
  assert.equal(moved.verdict, 'refused');
  const absent = await check(file, action({ ...payload, call_id: '6f9619ff-8b86-4011-b42d-00c04fc964ff' }));
  assert.equal(outcome(absent, 'action.1'), 'failed');
  assert.equal(outcome(await check(file, action({})), 'action.1'), 'failed');
});

const signer = await ed25519Signer();

/** A session that names its agent, and the manifest of that agent. */
async function ofAgent(change: JsonObject = {}) {
  const plain = wholeManifest();
  const { policy_bundle, tool_manifest } = plain.artifacts as { policy_bundle: JsonObject; tool_manifest: JsonObject };
  const document = withArtifacts({
    policy_bundle: { ...policy_bundle, hash: POLICY_HASH },
    tool_manifest: { ...tool_manifest, catalog_hash: CATALOG_HASH },
  });
  const file = await makeSession(key, EVENTS);
  const agent_identity = {
    manifest_id: String(document.manifest_id),
    agent_id: AGENT,
    authenticated_subject: AGENT,
    subject_source: 'config',
    issuer: ISSUER,
    issuer_key_id: signer.key.id,
    policy_bundle_hash: POLICY_HASH,
    tool_catalog_hash: CATALOG_HASH,
    ...change,
  };
  Object.assign(file.claim.gateway, { agent_identity });
  await sign(file, key);
  const manifest = { document: jsonBytes(await signJson(document, signer)), keys: [signer.key] };
  return { file, manifest };
}

test('a claim is bound to the manifest of its agent, and a claim about another agent is refused', async () => {
  const { file, manifest } = await ofAgent();
  const bound = await check(file, { manifest });
  for (const id of [
    'manifest.valid',
    'manifest.binding.manifest_id',
    'manifest.binding.policy_used',
    'manifest.binding.catalog_used',
  ]) {
    assert.equal(outcome(bound, id), 'proven', id);
  }
  assert.equal(outcome(await check(file), 'manifest.binding.identity'), 'not checked');
  const { file: other } = await ofAgent({ agent_id: 'spiffe://trust.example/other' });
  assert.equal((await check(other, { manifest })).verdict, 'refused');
  const nobody = await makeSession(key, EVENTS);
  assert.equal((await check(nobody, { manifest })).verdict, 'refused');
  assert.notEqual((await check(file, { manifest: { ...manifest, keys: [] } })).verdict, 'verified');
});

test('a manifest is judged at the time of the claim, or at the one that is given, and against what the session ran', async () => {
  const { file, manifest } = await ofAgent();
  const report = await check(file, { manifest });
  const bound = report.checks.filter(({ id }) => /^manifest\..*(?:policy_bundle|tool_manifest)$/.test(id));
  assert.deepEqual(
    bound.map(({ outcome: found }) => found),
    ['proven', 'proven'],
    bound.map(({ id }) => id).join(),
  );
  const later = await check(file, { manifest, now: Date.UTC(2028, 0, 1) / 1000, maxAgeSeconds: 1_000_000_000 });
  assert.equal(outcome(later, 'manifest.valid'), 'failed');
  assert.equal(later.verdict, 'refused');
});

test('a claim that names a key of an agent which showed none is refused, with or without the manifest', async () => {
  const { file } = await ofAgent({ agent_key_thumbprint: `sha256:${'1'.repeat(64)}` });
  const report = await check(file);
  assert.equal(report.verdict, 'refused');
  assert.equal(outcome(report, 'manifest.binding.agent_key'), 'failed');
});

test('a claim whose key was revoked is refused; without a bundle the report says that no check ran', async () => {
  const file = await makeSession(key, EVENTS);
  const bundler = await newStatementKey('ed25519');
  const id = (of: typeof bundler) => encodeBase64Url(thumbprintOf(of.public));
  const log_id = 'https://log.example/trace';
  const revocations = async (kid: string): Promise<Expectations> => {
    const revoked = await signStatement(
      {
        type: 'TraceRevocation/1.0',
        compromised_key_id: kid,
        last_valid_entry_id: '41',
        log_id,
        revocation_key_id: id(bundler),
      },
      bundler,
    );
    const bundle = await signStatement(
      {
        type: 'TraceRevocationBundle/1.0',
        log_id,
        issued_at: START_SECONDS - 60,
        valid_until: START_SECONDS + 3600,
        statements: [revoked],
        bundle_key_id: id(bundler),
      },
      bundler,
    );
    return { revocation: { bundle: stringifyJson(bundle), keys: [{ key: bundler.public, source: 'given' }] } };
  };
  assert.equal(outcome(await check(file), 'revocation.key'), 'not checked');
  const clear = await check(file, await revocations('cmcp-00000000'));
  assert.equal(outcome(clear, 'revocation.key'), 'proven');
  assert.equal(clear.verdict, 'verified');
  const refused = await check(file, await revocations(file.claim.trace.cnf.jwk.kid));
  assert.equal(outcome(refused, 'revocation.key'), 'failed');
  assert.equal(refused.verdict, 'refused');
  const revoked = await revocations(file.claim.trace.cnf.jwk.kid);
  const logged = async (entryId: string) =>
    outcome(await check(file, { ...revoked, inclusion: { logId: log_id, entryId } }), 'revocation.key');
  assert.deepEqual(
    [await logged('41'), await logged('42')],
    ['proven', 'failed'],
    'what was logged before still counts',
  );
  const keyless = structuredClone(file);
  keyless.claim.trace.cnf.jwk.x = encodeBase64Url(Uint8Array.of(1, ...new Uint8Array(31)));
  assert.equal(
    (await check(keyless, revoked)).verdict,
    'refused',
    'a key of small order is none, and has none to be revoked',
  );
  const stale = { ...(await revocations('cmcp-00000000')), now: START_SECONDS + 7200 };
  assert.notEqual(outcome(await check(file, stale), 'revocation.key'), 'proven');
});

test('a claim is in the line of the registry that its proof leads to, and in no other', async () => {
  const file = await makeSession(key, EVENTS);
  const anchorOf = (root: Uint8Array) => ({
    entry: stringifyJson({
      ts: new Date((START_SECONDS + 60) * 1000).toISOString(),
      merkle_root: `sha256:${encodeHex(root)}`,
      leaf_count: 1,
      producer: 'gateway',
      batch_id: 'b1',
    }),
    proof: encodeUtf8('{"leaf_index":0,"audit_path":[]}'),
  });
  const anchored = await check(file, { anchor: anchorOf(leafHash(file.claim)) });
  assert.equal(outcome(anchored, 'anchor.inclusion'), 'proven');
  assert.equal(anchored.verdict, 'verified');
  const other = await check(file, { anchor: anchorOf(leafHash({ a: 1 })) });
  assert.equal(outcome(other, 'anchor.inclusion'), 'failed');
  assert.equal(other.verdict, 'refused');
});
