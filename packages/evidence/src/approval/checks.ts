import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import { integer, list, object, oneOf, text } from '../shape.ts';
import type { TrustedReviewer } from './quorum.ts';
import { type ApprovalRecord, jcsDigest } from './record.ts';

/** What a linter found in what was approved, and who approved it all the same: what `automated_checks_digest` is over. */
export interface ApprovalChecks extends JsonObject {
  /** Version of this form. */
  checks: 1;
  /** Hash of the catalog or bundle that was looked at. */
  hash: string;
  findings: CheckFinding[];
  overrides: Override[];
}

/** One finding of a linter. */
export interface CheckFinding extends JsonObject {
  rule: string;
  severity: 'error' | 'warning' | 'info';
  where: string;
  message: string;
  fix: string;
}

/** A finding that somebody answers for. */
export interface Override extends JsonObject {
  rule: string;
  where: string;
  principal: string;
  reason: string;
}

const TEXT = text(/^.{0,65536}$/s);
const SOME = text(/\S/);

const CHECKS = object({
  checks: integer(1, 1),
  hash: text(/^sha256:[0-9a-f]{64}$/),
  findings: list(
    object({ rule: SOME, severity: oneOf('error', 'warning', 'info'), where: TEXT, message: TEXT, fix: TEXT }),
  ),
  overrides: list(object({ rule: SOME, where: TEXT, principal: SOME, reason: SOME })),
});

/** Reads the checks that go with an approval record. @throws FormatError */
export function parseApprovalChecks(input: Uint8Array | string): ApprovalChecks {
  const limits = { bytes: 8 * 1024 * 1024, depth: 6, items: 100_000 };
  const value = readJsonObject(input, 'the file of checks', limits);
  const problem = CHECKS(value, 'checks');
  if (problem !== null) throw new FormatError(problem);
  return value as ApprovalChecks;
}

/** What a record names as `automated_checks_digest`. */
export function approvalChecksDigest(checks: ApprovalChecks): string {
  return jcsDigest(checks, 'the file of checks');
}

/** The errors that nobody answers for. */
export function openErrors({ findings, overrides }: Pick<ApprovalChecks, 'findings' | 'overrides'>): CheckFinding[] {
  const answered = ({ rule, where }: CheckFinding): boolean =>
    overrides.some((each) => each.rule === rule && each.where === where);
  return findings.filter((finding) => finding.severity === 'error' && !answered(finding));
}

/**
 * Why the checks are not those that a record's reviewers signed, or leave something open; null: they are, and do not. Only a
 * reviewer who signed can answer for a finding.
 */
export function checksProblem(
  checks: ApprovalChecks,
  record: ApprovalRecord,
  reviewers: readonly TrustedReviewer[],
): string | null {
  if (approvalChecksDigest(checks) !== record.checksDigest) return 'the checks are not those that were approved';
  if (checks.hash !== record.newHash) return `the checks are about ${checks.hash}`;
  const [open] = openErrors(checks);
  if (open !== undefined) return `${open.rule} at ${open.where} is an error that nobody answers for`;
  const stranger = checks.overrides.find((each) => !reviewers.some(({ principal }) => principal === each.principal));
  return stranger === undefined ? null : `${stranger.principal} answers for ${stranger.rule} and did not approve`;
}
