import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { catalogOf, decisionOn, engineOf, toolOf, toolRecord } from '../../../../tests/support/policy.ts';
import { nativeSchema } from './schema.ts';
import type { Approved } from './types.ts';

const CATALOG = catalogOf(toolRecord('pay'));
const SCHEMA = nativeSchema(CATALOG);
const PERMIT = '@redact("$.card") permit (principal, action in Action::"call_tool", resource);\n';
const forbid = (annotations: string): string =>
  `${annotations} forbid (principal, action == Action::"pay", resource);\n`;
const native = (t: TestContext, ...forbids: string[]) =>
  engineOf(t, CATALOG, PERMIT + forbids.map(forbid).join(''), SCHEMA);
const APPROVED: Approved = { policies: ['a'], approvers: ['finance'], channel: 'operator', signed: false };
const REQUEST = decisionOn(CATALOG, 'pay');

test('what a forbid asks for is said by its own annotations, and what it does not say is filled in', async (t) => {
  const asked = async (annotations: string) =>
    (await native(t, `@id("a") ${annotations}`)).decide(REQUEST).escalations[0];
  const usual = { policyId: 'a', effect: 'step_up', approver: null, via: 'operator', holdMs: 0, ttlMs: 900_000 };
  assert.deepEqual(await asked('@hitl'), usual);
  assert.deepEqual(await asked('@approver("finance") @hold("30s") @ttl("4h")'), {
    ...usual,
    ...{ approver: 'finance', holdMs: 30_000, ttlMs: 14_400_000 },
  });
  assert.deepEqual(await asked('@aarm_decision("defer")'), { ...usual, effect: 'defer', via: 'callback' });
  assert.deepEqual(await asked('@aarm_decision("defer") @via("operator")'), { ...usual, effect: 'defer' });
});

test('a plain deny is sticky; of a step-up and a defer the step-up is told, and both are asked for', async (t) => {
  const effects = async (...forbids: string[]) => {
    const { effect, escalations } = (await native(t, ...forbids)).decide(REQUEST);
    return [effect, escalations.map(({ policyId }) => policyId)];
  };
  assert.deepEqual(await effects('@id("a") @hitl', '@id("b")'), ['deny', []]);
  assert.deepEqual(await effects('@id("a") @hitl', '@id("b") @aarm_decision("deny") @approver("x")'), ['deny', []]);
  assert.deepEqual(await effects('@id("a") @hitl', '@id("b") @aarm_decision("defer")'), ['step_up', ['a', 'b']]);
  assert.deepEqual(await effects('@id("a") @aarm_decision("defer")'), ['defer', ['a']]);
});

test('an approval lifts the forbids that it names, and no permit, no other forbid, no redaction', async (t) => {
  const approved = { ...REQUEST, approval: APPROVED };
  const one = await native(t, '@id("a") @hitl');
  const { effect, redactions } = one.decide(approved);
  assert.deepEqual([effect, redactions.length], ['redact', 1]);
  const response = { sizeBytes: 1, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 };
  assert.equal(one.decide({ ...approved, response }).effect, 'redact', 'at both stages');
  assert.equal(one.decide({ ...REQUEST, response }).effect, 'deny');
  assert.equal((await native(t, '@id("a") @hitl', '@id("b")')).decide(approved).effect, 'deny');
  assert.equal((await native(t, '@id("a") @hitl', '@id("b") @hitl')).decide(approved).effect, 'step_up');
  const permit = { ...approved, approval: { ...APPROVED, policies: ['a', 'policy0'] } };
  assert.equal(one.decide(permit).effect, 'redact', 'a permit is not lifted');
  const unpermitted = await engineOf(t, CATALOG, forbid('@id("a") @hitl'), SCHEMA);
  assert.deepEqual([unpermitted.decide(approved).effect, unpermitted.decide(approved).policyIds], ['deny', []]);
  one.close();
  assert.equal(one.decide(approved).effect, 'deny', 'a closed engine denies everything');
});

test('policies read the approval, and only on what was approved', async (t) => {
  const rule =
    '@id("b") forbid (principal, action, resource) when { context has approval && !context.approval.signed };';
  const engine = await engineOf(t, CATALOG, `${PERMIT}${forbid('@id("a") @hitl')}${rule}`, SCHEMA);
  assert.deepEqual(engine.decide(REQUEST).policyIds, ['a']);
  assert.deepEqual(engine.decide({ ...REQUEST, approval: APPROVED }).policyIds, ['b']);
  assert.equal(engine.decide({ ...REQUEST, approval: { ...APPROVED, signed: true } }).effect, 'redact');
});

test('what may be approved is in lists; what is plainly forbidden is not', async (t) => {
  const listed = async (annotations: string): Promise<boolean> =>
    (await native(t, annotations)).couldAllow(
      { subject: 'agent', source: 'bearer' },
      { action: 'call_tool', tool: toolOf(CATALOG, 'pay') },
    );
  assert.deepEqual([await listed('@approver("x")'), await listed('')], [true, false]);
});
