import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../tests/shared.ts';
import { digest } from '../crypto/sha256.ts';
import { canonicalJcs } from '../json/canonical.ts';
import { parseJson } from '../json/parse.ts';
import { stringifyJson } from '../json/stringify.ts';
import { isObject, type JsonObject } from '../json/value.ts';
import { newKey, type TestKey } from '../testing/session.ts';
import { altered, bitFlips, failures, signJcs } from '../testing/signed.ts';
import { parseTimestamp } from '../time.ts';
import { type ActionGiven, verifyActionReceipt } from './action.ts';

const seconds = (text: unknown): number => (parseTimestamp(String(text)) ?? 0) / 1e6;

/** What a fixture of the conformance set says that the relying party knows. */
function givenOf({ context, trusted_issuer_keys }: { [part: string]: JsonObject }): ActionGiven {
  const keys = Object.entries(trusted_issuer_keys ?? {}).flatMap(([id, jwk]) =>
    isObject(jwk) ? [[id, { x: String(jwk.x), source: id }] as const] : [],
  );
  return {
    callId: String(context?.call_id),
    sessionId: String(context?.session_id),
    previousReceiptHash: String(context?.expected_previous_receipt_hash),
    now: seconds(context?.verification_time),
    maxAgeSeconds: Number(context?.max_receipt_age_seconds),
    requireReceipt: context?.require_receipt === true,
    keys: new Map(keys),
  };
}

test('every receipt of the conformance set gets its status, outcome, failures and warnings', async (t) => {
  const folder = sharedPath('vectors', 'action-receipts', 'conformance');
  if (folder === null) return t.skip('the shared vectors are not here');
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  assert.ok(names.length >= 16);
  for (const name of names) {
    const fixture = parseJson(readFileSync(join(folder, name))) as { [part: string]: JsonObject };
    const part = (key: string) => (fixture[key] === undefined ? {} : { [key]: stringifyJson(fixture[key]) });
    const documents = { action: stringifyJson(fixture.action ?? {}), ...part('receipt'), ...part('evidence') };
    const result = await verifyActionReceipt(documents, givenOf(fixture));
    const { status, controllerOutcome: controller_outcome, failures, warnings } = result;
    assert.deepEqual({ status, controller_outcome, failures, warnings }, fixture.expected, name);
  }
});

const NOW = 1_790_000_000;
const ACTION = {
  agent_id: 'spiffe://factory.example/agent/mover',
  action_type: 'move',
  action_scope: 'cell-7',
  action_timestamp: '2026-09-21T14:13:00Z',
};
const EVIDENCE: JsonObject = { terminal_state: 'accepted', physical_completion_claim: 'none' };

async function setUp() {
  const key = await newKey();
  const action = { ...ACTION, action_ref: digest(canonicalJcs(ACTION)) };
  const receipt: JsonObject = {
    issuer: 'did:web:factory.example',
    issuer_key_id: 'key-1',
    issuer_independence: 'separate_process',
    linked_call_id: 'call-1',
    session_id: 'session-1',
    action_ref: action.action_ref,
    evidence_type: 'application/vnd.agentrust.action-receipt+json',
    evidence_hash: digest(canonicalJcs(EVIDENCE)),
    previous_receipt_hash: `sha256:${'c1'.repeat(32)}`,
    issued_at: '2026-09-21T14:13:10Z', // 10 s before NOW
    decision: 'accepted',
  };
  const given: ActionGiven = {
    callId: 'call-1',
    sessionId: 'session-1',
    previousReceiptHash: `sha256:${'c1'.repeat(32)}`,
    now: NOW,
    maxAgeSeconds: 10,
    requireReceipt: true,
    keys: new Map([['key-1', { x: key.x, source: 'controller.jwk' }]]),
  };
  return { key, action, receipt, given };
}

async function ask(
  key: TestKey,
  documents: { action: JsonObject; receipt: JsonObject; evidence?: JsonObject },
  given: ActionGiven,
) {
  const { action, receipt, evidence = EVIDENCE } = documents;
  const signed = await signJcs(receipt, key);
  return verifyActionReceipt(
    { action: stringifyJson(action), receipt: stringifyJson(signed), evidence: stringifyJson(evidence) },
    given,
  );
}

test('nothing, the wrong and the right key', async () => {
  const { key, given, ...documents } = await setUp();
  assert.equal((await ask(key, documents, { ...given, keys: new Map() })).status, 'receipt_unverified');
  const wrong = await ask(await newKey(), documents, given);
  assert.deepEqual([wrong.status, wrong.failures], ['receipt_invalid', ['signature_or_key_mismatch']]);
  const right = await ask(key, documents, given);
  assert.deepEqual(
    [right.status, right.controllerOutcome, failures(right.checks)],
    ['receipt_valid_accepted', 'accepted', []],
  );
});

test('an unknown key does not hide what else is wrong', async () => {
  const { key, given, ...documents } = await setUp();
  const result = await ask(key, documents, { ...given, keys: new Map(), callId: 'call-2' });
  assert.deepEqual(
    [result.status, result.failures, result.warnings],
    ['receipt_invalid', ['call_id_mismatch'], ['issuer_key_unknown']],
  );
});

test('an action without a receipt fails only where one was demanded', async () => {
  const { action, given } = await setUp();
  const documents = { action: stringifyJson(action) };
  assert.equal((await verifyActionReceipt(documents, given)).status, 'receipt_missing_required');
  const optional = await verifyActionReceipt(documents, { ...given, requireReceipt: false });
  assert.deepEqual([optional.status, optional.failures], ['receipt_absent', []]);
});

test('each comparison is exact, and each fails by itself', async () => {
  const { key, given, action, receipt } = await setUp();
  const cases: [string, unknown, string][] = [
    ['linked_call_id', 'CALL-1', 'call_id_mismatch'],
    ['session_id', 'session-1 ', 'session_id_mismatch'],
    ['action_ref', String(action.action_ref).toUpperCase(), 'action_ref_mismatch'],
    ['evidence_hash', String(receipt.evidence_hash).slice(0, -1), 'evidence_hash_mismatch'],
    ['previous_receipt_hash', 'sha256:', 'receipt_chain_gap'],
    ['issued_at', '2026-09-21T14:13:09Z', 'receipt_stale'],
    ['issued_at', '2026-09-21T14:13:21Z', 'receipt_from_future'],
    ['decision', 'Accepted', 'decision_invalid'],
  ];
  for (const [path, value, code] of cases) {
    const result = await ask(key, { action, receipt: altered(receipt, path, value) }, given);
    assert.deepEqual(
      [result.status, result.failures, result.controllerOutcome],
      ['receipt_invalid', [code], 'unknown'],
      path,
    );
    assert.deepEqual(failures(result.checks), [`action-receipt.${code}`]);
  }
  const invented = `sha256:${'de'.repeat(32)}`;
  const unbound = await ask(
    key,
    { action: { ...action, action_ref: invented }, receipt: { ...receipt, action_ref: invented } },
    given,
  );
  assert.deepEqual(unbound.failures, ['action_ref_invalid']);
  const completed = { ...EVIDENCE, physical_completion_claim: 'completed' };
  const claims = await ask(
    key,
    { action, receipt: { ...receipt, evidence_hash: digest(canonicalJcs(completed)) }, evidence: completed },
    given,
  );
  assert.deepEqual(claims.failures, ['unsupported_physical_completion_claim']);
  const nowhen = await ask(key, { action, receipt }, { ...given, now: Number.NaN });
  assert.deepEqual(nowhen.failures, ['receipt_stale', 'receipt_from_future']);
});

test('a rejection is as good as an acceptance, and tells the state that the controller reports', async () => {
  const { key, given, action, receipt } = await setUp();
  const evidence = { ...EVIDENCE, terminal_state: 'aborted' };
  const rejected = { ...receipt, decision: 'rejected', evidence_hash: digest(canonicalJcs(evidence)) };
  const result = await ask(key, { action, receipt: rejected, evidence }, given);
  assert.deepEqual([result.status, result.controllerOutcome], ['receipt_valid_rejected', 'aborted']);
});

test('a report of the gateway about itself is valid, with a warning', async () => {
  const { key, given, action, receipt } = await setUp();
  const result = await ask(key, { action, receipt: { ...receipt, issuer_independence: 'gateway_self_report' } }, given);
  assert.deepEqual([result.status, result.warnings], ['receipt_valid_accepted', ['issuer_not_independent']]);
});

test('documents that lack a member, have another, or are missing are malformed', async () => {
  const { key, given, action, receipt } = await setUp();
  const malformed = async (documents: { action: JsonObject; receipt: JsonObject; evidence?: JsonObject }) => {
    const result = await ask(key, documents, given);
    assert.deepEqual([result.status, result.failures], ['receipt_invalid', ['malformed']]);
  };
  for (const member of Object.keys(receipt)) await malformed({ action, receipt: altered(receipt, member, undefined) });
  await malformed({ action, receipt: { ...receipt, extra: 1 } });
  await malformed({ action: { ...action, extra: 1 }, receipt });
  await malformed({ action: altered(action, 'action_scope', undefined), receipt });
  await malformed({ action, receipt, evidence: { terminal_state: 'accepted' } });
  const signed = stringifyJson(await signJcs(receipt, key));
  const without = await verifyActionReceipt({ action: stringifyJson(action), receipt: signed }, given);
  assert.deepEqual([without.status, without.failures], ['receipt_invalid', ['malformed']]);
});

test('a receipt with any bit flipped is invalid or unverified, never valid', async () => {
  const { key, given, action, receipt } = await setUp();
  const signed = await signJcs(receipt, key);
  const [text, evidence] = [stringifyJson(action), stringifyJson(EVIDENCE)];
  for (const bytes of bitFlips(signed)) {
    const { status } = await verifyActionReceipt({ action: text, receipt: bytes, evidence }, given);
    assert.match(status, /invalid|unverified/);
  }
  for (const bytes of bitFlips(EVIDENCE)) {
    const { status } = await verifyActionReceipt(
      { action: text, receipt: stringifyJson(signed), evidence: bytes },
      given,
    );
    assert.equal(status, 'receipt_invalid');
  }
});

test('any documents give a status, never an exception', async () => {
  const { given } = await setUp();
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.json(),
    fc.constantFrom('['.repeat(100_000), '{"__proto__":{}}'),
  );
  await fc.assert(
    fc.asyncProperty(any, any, any, async (action, receipt, evidence) => {
      assert.equal((await verifyActionReceipt({ action, receipt, evidence }, given)).status, 'receipt_invalid');
    }),
    { numRuns: 300 },
  );
});
