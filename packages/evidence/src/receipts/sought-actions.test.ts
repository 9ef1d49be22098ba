import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest } from '../crypto/sha256.ts';
import { type Expectations, type JsonObject, type Report, stringifyJson, verify } from '../index.ts';
import { canonicalSorted } from '../json/canonical.ts';
import {
  blank,
  CATALOG_HASH,
  type EventSpec,
  makeSession,
  newKey,
  numbered,
  POLICY_HASH,
  seal,
} from '../testing/session.ts';

const key = await newKey();
const CALL: EventSpec = { kind: 'allow', tool: 'arm.move', domain: 'internal', dataClass: 'public' };
const AT = '2026-09-21T14:13:20Z';
const ACTION = { agent_id: 'spiffe://trust.example/a', action_type: 'move', action_scope: 'arm', action_timestamp: AT };

/** The payload of an action in that call. */
const payloadOf = (callId: string): JsonObject => ({
  ...ACTION,
  profile: 'cmcp.embodied_action_evidence.v0',
  call_id: callId,
  action_ref: digest(canonicalSorted(ACTION)),
  governance_decision: 'allow',
  policy_bundle_hash: POLICY_HASH,
  tool_catalog_hash: CATALOG_HASH,
  controller_target: 'arm-1',
  handoff_timestamp: AT,
});

const file = await makeSession(key, [CALL, CALL]);
const [, first, second] = file.bundle.entries;
const ids = [first?.call_id ?? '', second?.call_id ?? ''];

function check(...payloads: (JsonObject | string)[]): Promise<Report> {
  const actions = payloads.map((payload, i) => ({
    payload: typeof payload === 'string' ? payload : stringifyJson(payload),
    source: `action ${i}`,
  }));
  return asked(stringifyJson(file), { actions });
}

const asked = (session: string, more: Expectations): Promise<Report> =>
  verify(session, {
    keys: [{ x: key.x, source: 'given' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
    ...more,
  });

const idsIn = ({ checks }: Report) => checks.map(({ id }) => id).filter((id) => id.startsWith('action.'));
const found = ({ checks }: Report, id: string) => checks.find((each) => each.id === id);

test('without payloads nothing is asked about actions', async () => {
  assert.deepEqual(idsIn(await check()), []);
});

test('each payload is held against the entry of its own call, in the order in which they were given', async () => {
  const report = await check(payloadOf(ids[1] ?? ''), payloadOf(ids[0] ?? ''), payloadOf(ids[1] ?? ''));
  const numbers = new Set(idsIn(report).map((id) => id.split('.')[1]));
  assert.deepEqual([...numbers], ['1', '2', '3']);
  assert.ok(idsIn(report).every((id) => id.split('.').length > 2));
});

test('a payload of a call that is not in the chain, or of none, is refused by its source', async () => {
  const stray = '6f9619ff-8b86-4011-b42d-00c04fc964ff';
  const report = await check(payloadOf(stray), '{', { ...payloadOf(ids[0] ?? ''), call_id: 5 });
  assert.equal(report.verdict, 'refused');
  for (const [i, said] of [`no entry of the chain is of call ${stray}`, /JSON/, /call_id/].entries()) {
    const one = found(report, `action.${i + 1}`);
    assert.deepEqual([one?.outcome, one?.required], ['failed', true]);
    assert.match(one?.detail ?? '', typeof said === 'string' ? new RegExp(said) : said);
    assert.match(one?.title ?? '', new RegExp(`action ${i}`));
  }
});

test('an event that merely names the id of a call is no call', async () => {
  const stray = '6f9619ff-8b86-4011-b42d-00c04fc964ff';
  const copy = structuredClone(file);
  const { entries } = copy.bundle;
  entries.splice(1, 0, { ...blank(copy.claim.gateway.session_id, 'mcp_request', 'public'), call_id: stray });
  numbered(entries);
  copy.claim.trace.iat += 1;
  await seal(copy, key);
  const actions = [{ payload: stringifyJson(payloadOf(stray)), source: 'action' }];
  assert.equal(found(await asked(stringifyJson(copy), { actions }), 'action.1')?.outcome, 'failed');
});
