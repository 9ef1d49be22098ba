import { verifyEd25519 } from '../crypto/ed25519.ts';
import { FormatError } from '../format-error.ts';
import { printable } from '../printable.ts';
import { policyHash, type Quorum, type TrustedReviewer, wirePolicy } from './quorum.ts';
import {
  type Approval,
  type ApprovalKind,
  type ApprovalRecord,
  approvalPreimage,
  approvalRecordDigest,
  parseApprovalRecord,
} from './record.ts';

/** What the relying party brings. */
export interface ApprovalGiven {
  kind: ApprovalKind;
  quorum: Quorum;
  /** Which catalog or bundle the record must be about. */
  subjectId: string;
  /** The hash of what is there. */
  hash: string;
  /** Seconds since the epoch: when the approvals have to be in force. */
  now: number;
  /** Where they are known: exactly this sequence, this one at least, the record before, and what it approved. */
  sequence?: number;
  leastSequence?: number;
  previousRecordHash?: string;
  previousHash?: string;
}

/** `malformed`: it is no such record. `mismatch`: it is one, and does not approve this, or not by enough of those who count. */
export type ApprovalResult =
  | { outcome: 'malformed' | 'mismatch'; problem: string }
  | {
      outcome: 'verified';
      /** Digest of the record. */
      digest: string;
      record: ApprovalRecord;
      /** Those who approved, in the order of the record. */
      reviewers: TrustedReviewer[];
      /** Seconds since the epoch at which the first of the approvals ends. */
      expiresAt: number;
    };

/** Verifies a detached approval record (wire-formats section 6.5). Total: never throws. One approval that does not hold fails it. */
export async function verifyApproval(input: Uint8Array | string, given: ApprovalGiven): Promise<ApprovalResult> {
  try {
    const record = parseApprovalRecord(input, given.kind);
    const problem = aboutAnother(record, given) ?? otherPolicy(record, given.quorum);
    if (problem !== null) return { outcome: 'mismatch', problem };
    return await counted(record, given);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { outcome: 'malformed', problem: error.message };
  }
}

function aboutAnother(record: ApprovalRecord, given: ApprovalGiven): string | null {
  const { sequence, leastSequence, previousRecordHash, previousHash } = given;
  if (record.subjectId !== given.subjectId)
    return `the record is about ${printable(record.subjectId)}, not ${given.subjectId}`;
  if (record.newHash !== given.hash) return `the record approves ${record.newHash}, not ${given.hash}`;
  if (sequence !== undefined && record.sequence !== sequence)
    return `the record has the sequence ${record.sequence}, not ${sequence}`;
  if (leastSequence !== undefined && record.sequence < leastSequence)
    return `the record has the sequence ${record.sequence}, and ${leastSequence} is the least that counts`;
  if (previousRecordHash !== undefined && record.previousRecordHash !== previousRecordHash)
    return `the record follows ${record.previousRecordHash}, not ${previousRecordHash}`;
  return previousHash !== undefined && record.previousHash !== previousHash
    ? `the record replaces ${record.previousHash}, not ${previousHash}`
    : null;
}

/** What the record says of its own quorum is a claim: it must be the quorum that the relying party asks for. */
function otherPolicy({ policy }: ApprovalRecord, quorum: Quorum): string | null {
  if (policyHash(policy) !== policy.policy_hash) return 'approval_policy.policy_hash is not that of the policy';
  const expected = wirePolicy(quorum);
  return policy.policy_hash === expected.policy_hash
    ? null
    : `the record was approved under ${printable(policy.policy_id)} (${policy.policy_hash}), and ${expected.policy_hash} is asked for`;
}

async function counted(record: ApprovalRecord, given: ApprovalGiven): Promise<ApprovalResult> {
  const reviewers: TrustedReviewer[] = [];
  for (const approval of record.approvals) {
    const reviewer = trusted(approval, given.quorum);
    if (typeof reviewer === 'string') return { outcome: 'mismatch', problem: reviewer };
    const problem =
      untimely(approval, given.now) ??
      repeated(reviewer, reviewers, given.quorum) ??
      (await unsigned(record, approval, reviewer));
    if (problem !== null) return { outcome: 'mismatch', problem };
    reviewers.push(reviewer);
  }
  const { threshold } = given.quorum;
  // Written so that a threshold that is not a number is not reached.
  if (!(reviewers.length >= threshold)) {
    return { outcome: 'mismatch', problem: `${reviewers.length} of ${threshold} approvals are there` };
  }
  const expiresAt = Math.min(...record.approvals.map(({ expires_at }) => expires_at));
  return { outcome: 'verified', digest: approvalRecordDigest(record.raw), record, reviewers, expiresAt };
}

/** The reviewer whose key the approval names; else why it does not count. */
function trusted(approval: Approval, { reviewers, revoked }: Quorum): TrustedReviewer | string {
  const key = printable(approval.key_id);
  if (revoked.includes(approval.key_id)) return `the key ${key} is revoked`;
  const reviewer = reviewers.find(({ keyId }) => keyId === approval.key_id);
  if (reviewer === undefined) return `the key ${key} is not that of a reviewer`;
  if (approval.principal_id !== reviewer.principal)
    return `the key ${key} is not that of ${printable(approval.principal_id)}`;
  if (approval.issuer !== reviewer.issuer) return `the key ${key} is not vouched for by ${printable(approval.issuer)}`;
  return reviewer.role !== null && approval.role !== reviewer.role
    ? `${reviewer.principal} does not approve as ${printable(approval.role)}`
    : reviewer;
}

function untimely({ approved_at: from, expires_at: to, key_id }: Approval, now: number): string | null {
  const whose = `the approval by the key ${printable(key_id)}`;
  if (to <= from) return `${whose} ends before it begins`;
  // Written so that a clock that is not a number does not pass.
  if (!(now >= from)) return `${whose} is of a time still to come`;
  return now < to ? null : `${whose} has expired`;
}

/** One key counts once, whatever the quorum says and under however many ids it is known. */
function repeated(reviewer: TrustedReviewer, before: readonly TrustedReviewer[], quorum: Quorum): string | null {
  if (before.some(({ key }) => key === reviewer.key)) return `the key ${printable(reviewer.keyId)} approves twice`;
  if (quorum.distinctPrincipals && before.some(({ principal }) => principal === reviewer.principal))
    return `${reviewer.principal} approves twice`;
  if (!quorum.distinctRoles) return null;
  // What role somebody has is for the relying party to say, not for them.
  if (reviewer.role === null) return `${reviewer.principal} has no role, and roles have to differ`;
  return before.some(({ role }) => role === reviewer.role) ? `two approve as ${printable(reviewer.role)}` : null;
}

async function unsigned(record: ApprovalRecord, approval: Approval, { key }: TrustedReviewer): Promise<string | null> {
  const result = await verifyEd25519(key, approval.signature, approvalPreimage(record.raw, approval));
  if (result === 'valid') return null;
  return result === 'unsupported'
    ? 'this engine has no Ed25519 in WebCrypto, so that nothing was checked'
    : `the approval is not signed by the key ${printable(approval.key_id)}`;
}
