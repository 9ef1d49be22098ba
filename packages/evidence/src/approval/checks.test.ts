import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FormatError } from '../format-error.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import { newReviewer, quorumOf, recordBody } from '../testing/approval.ts';
import { altered } from '../testing/signed.ts';
import { type ApprovalChecks, approvalChecksDigest, checksProblem, openErrors, parseApprovalChecks } from './checks.ts';
import { parseApprovalRecord } from './record.ts';

const ada = await newReviewer('ada');
const HASH = `sha256:${'a'.repeat(64)}`;
const FINDING = { rule: 'poison', severity: 'error', where: 'tool a', message: 'Is poison.', fix: 'Do not.' } as const;
const OVERRIDE = { rule: 'poison', where: 'tool a', principal: 'ada', reason: 'A test.' };
const checks: ApprovalChecks = { checks: 1, hash: HASH, findings: [FINDING], overrides: [OVERRIDE] };

/** What is wrong with checks that ada signed. */
function problem(of: ApprovalChecks, signed = of): string | null {
  const automated_checks_digest = approvalChecksDigest(signed);
  const body = recordBody('catalog', quorumOf([ada]), HASH, { automated_checks_digest, approvals: [] });
  return checksProblem(of, parseApprovalRecord(stringifyJson(body), 'catalog'), [ada]);
}

test('checks are those that were signed, about what was approved, with every error answered for by who approved', () => {
  assert.equal(problem(checks), null);
  assert.match(problem({ ...checks, findings: [] }, checks) ?? '', /not those that were approved/);
  assert.match(problem({ ...checks, hash: HASH.replace(':a', ':b') }) ?? '', /are about sha256:b/);
  assert.match(problem({ ...checks, overrides: [] }) ?? '', /poison at tool a is an error that nobody answers for/);
  assert.match(problem({ ...checks, overrides: [{ ...OVERRIDE, principal: 'eve' }] }) ?? '', /eve answers/);
});

test('an override is for one rule at one place, and only errors need one', () => {
  for (const other of [{ rule: 'other' }, { where: 'tool b' }]) {
    assert.equal(openErrors({ findings: [FINDING], overrides: [{ ...OVERRIDE, ...other }] }).length, 1);
  }
  assert.deepEqual(openErrors({ findings: [{ ...FINDING, severity: 'warning' }], overrides: [] }), []);
});

test('the members of the file are exactly those of the format', () => {
  assert.deepEqual(parseApprovalChecks(stringifyJson(checks)), checks);
  for (const [path, value] of [
    ['checks', 2],
    ['extra', 1],
    ['hash', 'sha256:a'],
    ['findings.0.severity', 'fatal'],
    ['findings.0.extra', 1],
    ['overrides.0.reason', ' '],
    ['overrides.0.principal', undefined],
  ] as const) {
    assert.throws(
      () => parseApprovalChecks(stringifyJson(altered(checks as JsonObject, path, value))),
      FormatError,
      path,
    );
  }
});

test('whatever a file holds, reading it ends in checks or in a FormatError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(checks)), fc.jsonValue(), (name, value) => {
      try {
        parseApprovalChecks(JSON.stringify({ ...checks, [name]: value }));
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
  );
});
