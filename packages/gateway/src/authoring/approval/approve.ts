import {
  type ApprovalChecks,
  type ApprovalKind,
  type ApprovalRecord,
  type ApprovalResult,
  approvalPreimage,
  canonicalSorted,
  checksProblem,
  type JsonObject,
  type Override,
  openErrors,
  stringifyJson,
  type TrustedReviewer,
  verifyApproval,
} from '@cmcp/evidence';
import { UNAPPROVED } from '../../approval/files.ts';
import type { ApprovalConfig } from '../../config/approval.ts';
import { GatewayError } from '../../errors.ts';
import type { Finding } from '../finding.ts';
import { type Change, draftRecord } from './draft.ts';
import type { ReviewerKey } from './reviewer-key.ts';

/** How somebody approves. */
export interface Approving {
  key: ReviewerKey;
  /** null: the one of the configuration. */
  role: string | null;
  /** Seconds since the epoch. */
  now: number;
  expiresAt: number;
  /** Rules whose errors this reviewer answers for, and why. */
  overrides: readonly { rule: string; reason: string }[];
}

/** A record on its way to its quorum, with the checks that it covers. */
export interface Pending {
  record: JsonObject & { approvals: JsonObject[] };
  checks: ApprovalChecks;
}

/** The reviewer whom the configuration knows the key of. @throws GatewayError when it knows none */
export function reviewerOf(kind: ApprovalKind, config: ApprovalConfig, { x }: ReviewerKey): TrustedReviewer {
  const reviewer = config.reviewers.find(({ key }) => key === x);
  if (reviewer === undefined) throw refusal(kind, `the key ${x} is not that of a reviewer in the configuration`);
  if (config.revoked.includes(reviewer.keyId)) throw refusal(kind, `the key ${reviewer.keyId} is revoked`);
  return reviewer;
}

/**
 * Adds an approval to the record that others began, or begins one. All sign one record: where theirs says anything else than
 * what lies here now, nothing is added.
 *
 * @throws GatewayError CATALOG_UNAPPROVED or POLICY_UNAPPROVED
 */
export function approve(
  change: Change,
  config: ApprovalConfig,
  findings: readonly Finding[],
  begun: Pending | null,
  by: Approving,
): Pending {
  const { kind } = change;
  const reviewer = reviewerOf(kind, config, by.key);
  const checks = checksOf(change, findings, begun, by, reviewer);
  const body = draftRecord(change, config, checks);
  const approvals = begun === null ? [] : begun.record.approvals;
  if (begun !== null) requireSame(kind, begun.record, body);
  if (approvals.some(({ key_id }) => key_id === reviewer.keyId))
    throw refusal(kind, `${reviewer.principal} has approved this already`);
  const role = by.role ?? reviewer.role ?? 'reviewer';
  if (reviewer.role !== null && role !== reviewer.role)
    throw refusal(kind, `${reviewer.principal} approves as ${reviewer.role}, not as ${role}`);
  const approval = {
    principal_id: reviewer.principal,
    issuer: reviewer.issuer,
    key_id: reviewer.keyId,
    role,
    approved_at: by.now,
    expires_at: by.expiresAt,
  };
  const signature = by.key.sign(approvalPreimage(body, approval));
  return { record: { ...body, approvals: [...approvals, { ...approval, signature }] }, checks };
}

/** Whether a record has reached the quorum now, by the rules that the gateway judges it by. */
export async function reached(
  { record, checks }: Pending,
  kind: ApprovalKind,
  config: ApprovalConfig,
  hash: string,
  now: number,
): Promise<ApprovalResult> {
  const { subjectId, leastSequence } = config;
  const given = { kind, quorum: config, subjectId, leastSequence, hash, now };
  const result = await verifyApproval(stringifyJson(record), given);
  if (result.outcome !== 'verified') return result;
  const problem = checksProblem(checks, result.record, result.reviewers);
  return problem === null ? result : { outcome: 'mismatch', problem };
}

/** Whether a record approved `hash` when its last approval was signed, however long ago that is. */
export async function stoodOnce(
  { raw, approvals }: ApprovalRecord,
  kind: ApprovalKind,
  quorum: ApprovalConfig,
  hash: string,
): Promise<boolean> {
  const now = Math.max(0, ...approvals.map(({ approved_at }) => approved_at));
  const given = { kind, quorum, subjectId: quorum.subjectId, hash, now };
  return (await verifyApproval(stringifyJson(raw), given)).outcome === 'verified';
}

function checksOf(
  { kind, hash }: Change,
  findings: readonly Finding[],
  begun: Pending | null,
  { overrides }: Approving,
  { principal }: TrustedReviewer,
): ApprovalChecks {
  const own = overrides.flatMap(({ rule, reason }) => answered(kind, findings, rule, { principal, reason }));
  const before = begun?.checks.overrides ?? [];
  const added = own.filter((each) => !before.some((other) => other.rule === each.rule && other.where === each.where));
  if (begun !== null && added.length > 0) {
    throw refusal(kind, 'others have approved without this override, which all sign; begin anew with --restart');
  }
  const all = begun === null ? own : before;
  const [open, ...more] = openErrors({ findings: findings.map((each) => ({ ...each })), overrides: all });
  if (open !== undefined) {
    const others = more.length === 0 ? '' : `, and ${more.length} more errors`;
    throw refusal(
      kind,
      `${open.rule} at ${open.where}: ${open.message}${others}. ${open.fix} If it has to be as it is, answer for it with ` +
        `--override ${open.rule} --reason TEXT`,
    );
  }
  return { checks: 1, hash, findings: findings.map((each) => ({ ...each })), overrides: all };
}

/** An override answers for each error of a rule, by its place: another one, at another time, is not covered. */
function answered(
  kind: ApprovalKind,
  findings: readonly Finding[],
  rule: string,
  by: Pick<Override, 'principal' | 'reason'>,
): Override[] {
  const errors = findings.filter((finding) => finding.severity === 'error' && finding.rule === rule);
  if (errors.length === 0) throw refusal(kind, `there is no error ${rule} to answer for`);
  return errors.map(({ where }) => ({ rule, where, principal: String(by.principal), reason: String(by.reason) }));
}

function requireSame(kind: ApprovalKind, { approvals: _approvals, ...begun }: JsonObject, body: JsonObject): void {
  const other = Object.keys(body).find(
    (key) => canonicalSorted(begun[key] ?? null) !== canonicalSorted(body[key] ?? null),
  );
  if (other === undefined) return;
  throw refusal(
    kind,
    `what others approved is not what lies here now (${other} differs); look at it again, and begin anew with --restart`,
  );
}

function refusal(kind: ApprovalKind, problem: string): GatewayError {
  return new GatewayError(UNAPPROVED[kind], problem);
}
