import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVIDENCE_CLASSES, type EvidenceClass } from '../expectations.ts';
import { type AuditEntry, type Report, stringifyJson, verify } from '../index.ts';
import { CATALOG_HASH, type CallKind, makeSession, newKey, POLICY_HASH, seal } from '../testing/session.ts';

const key = await newKey();

/** The report on a session with a call of each class, by how it ended. */
async function classes(calls: [CallKind, string][], minEvidenceClass?: EvidenceClass): Promise<Report> {
  const events = calls.map(([kind]) => ({ kind, tool: 'read', domain: 'internal', dataClass: 'public' }));
  const file = await makeSession(key, events);
  for (const [i, [, named]] of calls.entries()) {
    const entry = file.bundle.entries[i + 1];
    if (entry !== undefined) entry.evidence_class = named as AuditEntry['evidence_class'];
  }
  await seal(file, key);
  return verify(stringifyJson(file), {
    keys: [{ x: key.x, source: 'given' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
    ...(minEvidenceClass !== undefined && { minEvidenceClass }),
  });
}

const found = ({ checks }: Report) => checks.find(({ id }) => id === 'calls.evidence_class');

test('classes are ordered from a hash alone to a measured process, and each is enough for itself and what is below', async () => {
  for (const [i, least] of EVIDENCE_CLASSES.entries()) {
    for (const [j, named] of EVIDENCE_CLASSES.entries()) {
      const report = await classes([['allow', named]], least);
      assert.equal(report.verdict, j >= i ? 'verified' : 'refused', `${named} for ${least}`);
      assert.equal(found(report)?.required, true);
      assert.equal(found(report)?.against, least);
    }
  }
});

test('the weakest call counts, wherever it stands, and the first such entry is named', async () => {
  const strong: [CallKind, string] = ['allow', 'spawn-measured'];
  const weak: [CallKind, string] = ['allow', 'spawn-unmeasured'];
  for (const [calls, at] of [
    [[weak, strong, strong], 1],
    [[strong, weak, weak], 2],
    [[strong, ['fault', 'spawn-unmeasured'], strong], 2],
    [[strong, strong, ['egress_denied', 'spawn-unmeasured']], 3],
  ] as [[CallKind, string][], number][]) {
    assert.equal(found(await classes(calls, 'tls-pinned'))?.detail, `entry ${at} has only spawn-unmeasured`);
  }
});

test('calls that policy refused went to no server', async () => {
  for (const kind of ['deny', 'step_up', 'defer'] as const) {
    const report = await classes([[kind, 'hash-only']], 'spawn-measured');
    assert.equal(found(report)?.detail, 'no call reached a server');
    assert.equal(report.verdict, 'verified');
  }
});

test('a class that is not known is no stronger than the weakest', async () => {
  const report = await classes([['allow', 'sworn']], 'spawn-unmeasured');
  assert.equal(report.verdict, 'refused');
  assert.equal((await classes([['allow', 'sworn']], 'hash-only')).verdict, 'verified', 'and no weaker');
});

test('where no least class was asked for, the weakest one is told and holds nothing up', async () => {
  const report = await classes([['allow', 'tls-pinned']]);
  assert.equal(report.verdict, 'verified');
  assert.deepEqual([found(report)?.outcome, found(report)?.required], ['not checked', false]);
  assert.match(found(report)?.detail ?? '', /the weakest call has tls-pinned/);
});
