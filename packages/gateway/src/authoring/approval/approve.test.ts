import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reviewerKey } from '../../../../../tests/support/approvals.ts';
import type { ApprovalConfig } from '../../config/approval.ts';
import type { Finding } from '../finding.ts';
import { type Approving, approve, type Pending, reached } from './approve.ts';
import type { Change } from './draft.ts';

const ada = reviewerKey('ada');
const bob = reviewerKey('bob');
const HASH = `sha256:${'a'.repeat(64)}`;
const NOW = 1_800_000_000;
const config: ApprovalConfig = {
  policyId: 'default',
  threshold: 2,
  distinctPrincipals: true,
  distinctRoles: false,
  reviewers: [ada, bob].map(({ keyId, x, principal }, index) => ({
    keyId,
    key: x,
    principal,
    issuer: 'local',
    role: index === 0 ? 'security' : null,
  })),
  revoked: [],
  subjectId: 'catalog',
  leastSequence: 1,
};
const change: Change = { kind: 'catalog', hash: HASH, before: { hash: null, record: null }, changeSetDigest: HASH };
const error: Finding = { rule: 'poison', severity: 'error', where: 'tool a', message: 'Is poison.', fix: 'Do not.' };
const by = (key: typeof ada, members: Partial<Approving> = {}): Approving => ({
  key,
  role: null,
  now: NOW,
  expiresAt: NOW + 60,
  overrides: [],
  ...members,
});
const refusal = (message: RegExp) => ({ code: 'CATALOG_UNAPPROVED', message });

test('two approvals of one record reach the quorum, one does not', async () => {
  const one = approve(change, config, [], null, by(ada));
  assert.equal((await reached(one, 'catalog', config, HASH, NOW)).outcome, 'mismatch');
  const two = approve(change, config, [], one, by(bob));
  assert.equal((await reached(two, 'catalog', config, HASH, NOW)).outcome, 'verified');
});

test('a reviewer whose role is configured approves in no other', () => {
  assert.throws(
    () => approve(change, config, [], null, by(ada, { role: 'owner' })),
    refusal(/as security, not as owner/),
  );
  assert.equal(approve(change, config, [], null, by(bob, { role: 'owner' })).record.approvals[0]?.role, 'owner');
  assert.equal(approve(change, config, [], null, by(ada)).record.approvals[0]?.role, 'security');
});

test('what one reviewer answers for, the next signs; what nobody answered for cannot be added to what was signed', async () => {
  const overrides = [{ rule: 'poison', reason: 'a test' }];
  const one = approve(change, config, [error], null, by(ada, { overrides }));
  const two = approve(change, config, [error], one, by(bob));
  assert.equal((await reached(two, 'catalog', config, HASH, NOW)).outcome, 'verified');
  assert.doesNotThrow(() => approve(change, config, [error], one, by(bob, { overrides })), 'the same once more');
  const later = { ...error, where: 'tool b' };
  const added = by(bob, { overrides });
  assert.throws(() => approve(change, config, [error, later], one, added), refusal(/begin anew with --restart/));
  assert.throws(() => approve(change, config, [error, later], one, by(bob)), refusal(/poison at tool b/));
});

test('findings that are not those which were signed are begun anew', () => {
  const one = approve(change, config, [], null, by(ada));
  const info: Finding = { ...error, severity: 'info' };
  assert.throws(() => approve(change, config, [info], one, by(bob)), refusal(/automated_checks_digest differs/));
});

test('checks that were changed after they were signed reach nothing', async () => {
  const overrides = [{ rule: 'poison', reason: 'a test' }];
  const one = approve(change, config, [error], null, by(ada, { overrides }));
  const two = approve(change, config, [error], one, by(bob));
  const changed: Pending = { ...two, checks: { ...two.checks, findings: [] } };
  assert.equal((await reached(changed, 'catalog', config, HASH, NOW)).outcome, 'mismatch');
});
