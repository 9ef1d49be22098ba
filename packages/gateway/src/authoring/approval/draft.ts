import {
  APPROVAL_NAMES,
  type ApprovalChecks,
  type ApprovalKind,
  type ApprovalRecord,
  approvalChecksDigest,
  approvalRecordDigest,
  type JsonObject,
  NO_PREDECESSOR,
  wirePolicy,
} from '@cmcp/evidence';
import type { ApprovalConfig } from '../../config/approval.ts';

/** What is to be approved, and what it replaces. */
export interface Change {
  kind: ApprovalKind;
  /** The hash that is to be approved. */
  hash: string;
  /** What is in force; null where nothing is known of it. */
  before: { hash: string | null; record: ApprovalRecord | null };
  /** Over what changes, so that all who approve saw the same. */
  changeSetDigest: string;
}

/** The record that reviewers sign, without their approvals. */
export function draftRecord(change: Change, config: ApprovalConfig, checks: ApprovalChecks): JsonObject {
  const { kind, hash, before, changeSetDigest } = change;
  const { profile, id, previous, next } = APPROVAL_NAMES[kind];
  const { record } = before;
  return {
    profile,
    [id]: config.subjectId,
    sequence: record === null ? config.leastSequence : Math.max(record.sequence + 1, config.leastSequence),
    previous_record_hash: record === null ? NO_PREDECESSOR : approvalRecordDigest(record.raw),
    [previous]: record?.newHash ?? before.hash ?? NO_PREDECESSOR,
    [next]: hash,
    change_set_digest: changeSetDigest,
    approval_policy: wirePolicy(config),
    automated_checks_digest: approvalChecksDigest(checks),
  };
}
