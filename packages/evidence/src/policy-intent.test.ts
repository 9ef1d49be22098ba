import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Expectations } from './expectations.ts';
import { intentChecks } from './policy-intent.ts';

type Intent = NonNullable<Expectations['policyIntent']>;

const SOUND: Intent = { unconditionalPermits: [], forbids: false, decidesOnEgress: true };
const asked = (change: Partial<Intent> = {}, more: Expectations = {}) =>
  intentChecks({ policyIntent: { ...SOUND, ...change }, ...more });
const short = (checks: ReturnType<typeof intentChecks>) =>
  checks.map(({ id, outcome, required }) => [id, outcome, required]);

test('without the policy itself nothing is asked about what it says', () => {
  assert.deepEqual(intentChecks({ policyHash: `sha256:${'0'.repeat(64)}` }), []);
});

test('a policy whose permits are conditional refuses something, and decides on egress if a rule looks at it', () => {
  assert.deepEqual(short(asked()), [
    ['policy.permit_all', 'proven', true],
    ['policy.egress', 'proven', false],
  ]);
  assert.deepEqual(short(asked({ decidesOnEgress: false }))[1], ['policy.egress', 'asserted', false]);
});

test('a permit for every call is not made up for by forbids, and is waved through by its flag only', () => {
  const all = { unconditionalPermits: ['policy0', 'policy3'] };
  const [capped] = asked(all);
  assert.deepEqual([capped?.outcome, capped?.required, capped?.remedy], ['asserted', true, '--allow-permit-all']);
  assert.match(capped?.detail ?? '', /policy0, policy3 permits every call/);
  assert.deepEqual(short(asked({ ...all, forbids: true }))[0], ['policy.permit_all', 'asserted', true]);
  assert.deepEqual(short(asked(all, { allowPermitAll: true }))[0], ['policy.permit_all', 'asserted', false]);
  assert.deepEqual(short(asked(all, { allowPermitAll: false }))[0], ['policy.permit_all', 'asserted', true]);
});
