import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { readClaim } from '../claim/wire.ts';
import { hash } from '../crypto/sha2.ts';
import { digest } from '../crypto/sha256.ts';
import { canonicalJcs, canonicalSorted } from '../json/canonical.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import { CATALOG_HASH, makeSession, newKey, POLICY_HASH, type TestKey } from '../testing/session.ts';
import { altered, bitFlips, failures, open, outcomeOf, signSorted } from '../testing/signed.ts';
import { type EmbodiedGiven, verifyEmbodiedAction } from './embodied.ts';
import { controllerKeyId } from './external.ts';

const CALL = '6f9619ff-8b86-4011-b42d-00c04fc964ff';
const NOW = 1_790_000_000;
const at = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

const ACTION = {
  agent_id: 'spiffe://factory.example/agent/mover',
  action_type: 'move_material',
  action_scope: 'cell-7/bin-a',
  action_timestamp: at(NOW - 30),
};

const ANSWER: JsonObject = { receipt_type: 'controller-execution-receipt/v1', verdict: 'accepted' };

const ROS2: JsonObject = {
  distribution: 'kilted',
  action_name: '/fibonacci',
  action_type: 'example_interfaces/action/Fibonacci',
  goal_uuid: '00112233445566778899aabbccddeeff',
  goal_preimage_hash: `sha256:${'9'.repeat(64)}`,
  goal_preimage_method: 'cdr',
};

const PAYLOAD: JsonObject = {
  profile: 'cmcp.embodied_action_evidence.v0',
  call_id: CALL,
  action_ref: digest(canonicalSorted(ACTION)),
  ...ACTION,
  governance_decision: 'allow',
  policy_bundle_hash: POLICY_HASH,
  tool_catalog_hash: CATALOG_HASH,
  controller_target: 'spiffe://factory.example/controller/cell-7',
  handoff_timestamp: at(NOW - 20),
  receipt: ANSWER,
};

/** The entry that carries the hash of `payload`, in a receipt that `issuer` signed. */
async function entryOf(issuer: TestKey, payload: JsonObject, members: JsonObject = {}): Promise<JsonObject> {
  const receipt = {
    issuer: 'controller',
    issuer_key_id: controllerKeyId(issuer.x),
    evidence_hash: digest(canonicalSorted(payload)),
    evidence_type: 'controller-execution-receipt/v1',
    linked_call_id: CALL,
    ...members,
  };
  return { call_id: CALL, policy_decision: 'allow', external_execution_evidence: await signSorted(receipt, issuer) };
}

async function setUp() {
  const issuer = await newKey();
  const given: EmbodiedGiven = { keys: [{ x: issuer.x, source: 'controller.jwk' }] };
  const ask = async (payload: JsonObject, more: EmbodiedGiven = {}, members: JsonObject = {}) =>
    verifyEmbodiedAction(await entryOf(issuer, payload, members), stringifyJson(payload), { ...given, ...more });
  return { issuer, given, ask };
}

test('nothing, the wrong and the right key: untrusted, untrusted, accepted', async () => {
  const { ask } = await setUp();
  for (const keys of [[], [{ x: (await newKey()).x, source: 'other.jwk' }]]) {
    const { state, checks } = await ask(PAYLOAD, { keys });
    assert.deepEqual([state, failures(checks), open(checks)], ['untrusted', [], ['embodied.issuer']]);
  }
  const { state, checks } = await ask(PAYLOAD);
  assert.deepEqual([state, open(checks)], ['accepted', []]);
});

test('a rejection that is valid is evidence like any other', async () => {
  const { ask } = await setUp();
  const { state, checks } = await ask({ ...PAYLOAD, receipt: { ...ANSWER, verdict: 'rejected' } });
  assert.deepEqual([state, open(checks)], ['rejected', []]);
});

test('a payload without an answer is absent, and fails only where an answer was demanded', async () => {
  const { ask } = await setUp();
  const bare = altered(PAYLOAD, 'receipt', undefined);
  const optional = await ask(bare);
  assert.deepEqual([optional.state, open(optional.checks)], ['absent', []]);
  const demanded = await ask(bare, { requireReceipt: true });
  assert.deepEqual([demanded.state, failures(demanded.checks)], ['absent', ['embodied.receipt']]);
});

test('an entry without a receipt has no embodied evidence', async () => {
  for (const evidence of [undefined, null, 'x', []]) {
    const entry = { call_id: CALL, external_execution_evidence: evidence } as unknown as JsonObject;
    const { state, checks } = await verifyEmbodiedAction(entry, stringifyJson(PAYLOAD), {});
    assert.deepEqual([state, failures(checks)], ['invalid', ['embodied.evidence']]);
  }
});

test('each thing that binds payload, entry and answer is asked by itself', async () => {
  const { ask } = await setUp();
  const cases: [string, unknown, string[]][] = [
    ['call_id', 'another', ['embodied.call']],
    ['action_ref', `sha256:${'0'.repeat(64)}`, ['embodied.action_ref']],
    ['action_scope', 'cell-8', ['embodied.action_ref']],
    ['governance_decision', 'deny', ['embodied.decision']],
    ['receipt.receipt_type', 'tee-signed-receipt', ['embodied.receipt']],
    ['receipt.call_id', 'another', ['embodied.receipt_binding']],
    ['receipt.action_ref', 'another', ['embodied.receipt_binding']],
    ['receipt.physical_completion_claim', 'completed', ['embodied.completion']],
    ['receipt.physical_completion_claim', 7, ['embodied.completion']],
  ];
  for (const [path, value, failed] of cases) {
    const { state, checks } = await ask(altered(PAYLOAD, path, value));
    assert.deepEqual([state, failures(checks)], ['invalid', failed], path);
  }
  const repeated = {
    ...ANSWER,
    call_id: CALL,
    action_ref: PAYLOAD.action_ref ?? '',
    physical_completion_claim: 'none',
  };
  assert.equal((await ask({ ...PAYLOAD, receipt: repeated })).state, 'accepted');
});

test('a decision is compared only where the entry has one', async () => {
  const { issuer, given } = await setUp();
  const payload = { ...PAYLOAD, governance_decision: 'deny' };
  const entry = await entryOf(issuer, payload);
  const { state } = await verifyEmbodiedAction({ ...entry, policy_decision: null }, stringifyJson(payload), given);
  assert.equal(state, 'accepted');
});

test('the hash is over the sorted form, SHA-256 or SHA-384, and of exactly this payload [C-42]', async () => {
  const { ask } = await setUp();
  const exotic = { ...PAYLOAD, controller_target: 'Förderband' };
  assert.equal((await ask(exotic)).state, 'accepted');
  const jcs = await ask(exotic, {}, { evidence_hash: digest(canonicalJcs(exotic)) });
  assert.deepEqual(failures(jcs.checks), ['embodied.hash']);
  const wide = `sha384:${encodeHex(hash('sha384', encodeUtf8(canonicalSorted(PAYLOAD))))}`;
  assert.equal((await ask(PAYLOAD, {}, { evidence_hash: wide })).state, 'accepted');
  const other = await ask(PAYLOAD, {}, { evidence_hash: `sha256:${'0'.repeat(64)}` });
  assert.deepEqual([other.state, failures(other.checks)], ['invalid', ['embodied.hash']]);
});

test('a receipt of another call, or a forged one, binds nothing', async () => {
  const { issuer, given, ask } = await setUp();
  const linked = await ask(PAYLOAD, {}, { linked_call_id: 'another' });
  assert.deepEqual([linked.state, failures(linked.checks)], ['invalid', ['embodied.linked_call', 'embodied.issuer']]);
  const forged = await entryOf(await newKey(), PAYLOAD, { issuer_key_id: controllerKeyId(issuer.x) });
  const { state, checks } = await verifyEmbodiedAction(forged, stringifyJson(PAYLOAD), given);
  assert.deepEqual([state, failures(checks)], ['invalid', ['embodied.issuer']]);
});

test('with a claim, policy, catalog and agent must be those of the claim', async () => {
  const { ask } = await setUp();
  const session = await makeSession(await newKey());
  const claim = readClaim(session.claim);
  const without = await ask(PAYLOAD, { claim });
  assert.deepEqual([without.state, outcomeOf(without.checks, 'embodied.agent')], ['accepted', 'not checked']);
  assert.equal(outcomeOf((await ask(PAYLOAD)).checks, 'embodied.claim'), 'not checked');
  const named = altered(claim, 'gateway.agent_identity', { agent_id: ACTION.agent_id });
  assert.equal(outcomeOf((await ask(PAYLOAD, { claim: named })).checks, 'embodied.agent'), 'proven');
  const wrong: [string, string][] = [
    ['policy_bundle_hash', 'embodied.policy'],
    ['tool_catalog_hash', 'embodied.catalog'],
  ];
  for (const [path, id] of wrong) {
    const { state, checks } = await ask(altered(PAYLOAD, path, `sha256:${'1'.repeat(64)}`), { claim: named });
    assert.deepEqual([state, failures(checks)], ['invalid', [id]]);
  }
  const other = altered(named, 'gateway.agent_identity.agent_id', 'spiffe://other/agent');
  assert.deepEqual(failures((await ask(PAYLOAD, { claim: other })).checks), ['embodied.agent']);
});

test('a ROS 2 goal is whole, and the answer repeats it or says nothing of it', async () => {
  const { ask } = await setUp();
  const whole = { ...PAYLOAD, ros2: ROS2 };
  assert.equal((await ask(whole)).state, 'accepted');
  for (const member of Object.keys(ROS2)) {
    const { state, checks } = await ask(altered(whole, `ros2.${member}`, undefined));
    assert.deepEqual([state, failures(checks)], ['invalid', ['embodied.form']], member);
  }
  for (const member of ['goal_uuid', 'goal_preimage_hash']) {
    const repeated = altered(whole, `receipt.${member}`, ROS2[member]);
    assert.equal((await ask(repeated)).state, 'accepted');
    const other = await ask(altered(whole, `receipt.${member}`, 'another'));
    assert.deepEqual([other.state, failures(other.checks)], ['invalid', ['embodied.receipt_binding']]);
  }
});

test('an action that was handed over too long ago is stale, which is not accepted', async () => {
  const { ask } = await setUp();
  const state = async (now: number, maxAgeSeconds: number) => (await ask(PAYLOAD, { now, maxAgeSeconds })).state;
  assert.equal(await state(NOW, 20), 'accepted');
  assert.equal(await state(NOW, 19), 'stale');
  assert.equal(await state(NOW - 320, 60), 'accepted');
  assert.equal(await state(NOW - 321, 60), 'stale');
  assert.equal(await state(Number.NaN, 60), 'stale');
  assert.equal((await ask(PAYLOAD, { now: NOW + 1e9 })).state, 'accepted');
  const timeless = await ask(PAYLOAD, { maxAgeSeconds: 60 });
  assert.deepEqual([failures(timeless.checks), open(timeless.checks)], [[], ['embodied.age']]);
});

test('a report of the gateway about itself is named as that', async () => {
  const { ask } = await setUp();
  const { state, checks } = await ask(altered(PAYLOAD, 'receipt.issuer_independence', 'gateway_self_report'));
  assert.equal(state, 'accepted');
  const check = checks.find(({ id }) => id === 'embodied.independence');
  assert.deepEqual([check?.outcome, /itself/.test(check?.detail ?? '')], ['asserted', true]);
  const unknown = (await ask(PAYLOAD)).checks.find(({ id }) => id === 'embodied.independence');
  assert.doesNotMatch(unknown?.detail ?? '', /itself/);
});

test('a payload has all its members, and a time in UTC where there is one', async () => {
  const { ask } = await setUp();
  const required = Object.keys(PAYLOAD).filter((member) => member !== 'receipt');
  for (const member of required) {
    const { state, checks } = await ask(altered(PAYLOAD, member, undefined));
    assert.deepEqual([state, failures(checks)], ['invalid', ['embodied.form']], member);
  }
  const cases: [string, unknown][] = [
    ['profile', 'cmcp.embodied_action_evidence.v1'],
    ['action_timestamp', 1_790_000_000],
    ['handoff_timestamp', '2026-09-21T14:13:00+02:00'],
    ['receipt', 'accepted'],
    ['receipt.verdict', 'done'],
    ['receipt.receipt_type', undefined],
    ['ros2', 'x'],
  ];
  for (const [path, value] of cases) {
    assert.deepEqual(failures((await ask(altered(PAYLOAD, path, value))).checks), ['embodied.form'], path);
  }
});

test('a payload with any bit flipped is no longer accepted', async () => {
  const { issuer, given } = await setUp();
  const entry = await entryOf(issuer, PAYLOAD);
  for (const bytes of bitFlips(PAYLOAD)) {
    assert.equal((await verifyEmbodiedAction(entry, bytes, given)).state === 'accepted', false);
  }
});

test('any input gives a state, never an exception', async () => {
  const { issuer, given } = await setUp();
  const entry = await entryOf(issuer, PAYLOAD);
  const mutated = fc
    .tuple(fc.constantFrom(...Object.keys(PAYLOAD), 'ros2', '__proto__'), fc.jsonValue())
    .map(([path, value]) => JSON.stringify(altered(PAYLOAD, path, value)));
  const bad = fc.constantFrom('', '['.repeat(100_000), '{"a":'.repeat(100_000));
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated, bad), fc.json(), async (input, evidence) => {
      const own = await verifyEmbodiedAction(entry, input, given);
      if (input !== stringifyJson(PAYLOAD)) assert.notEqual(own.state, 'accepted');
      const other = { call_id: CALL, external_execution_evidence: JSON.parse(evidence) };
      assert.notEqual((await verifyEmbodiedAction(other, stringifyJson(PAYLOAD), given)).state, 'accepted');
    }),
    { numRuns: 300 },
  );
});
