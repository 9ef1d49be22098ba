import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApprovalKind, type ApprovalRecord, approvalPreimage, type JsonObject } from '@cmcp/evidence';
import { filesInForce } from '../../packages/gateway/src/approval/files.ts';
import { approve, type Pending } from '../../packages/gateway/src/authoring/approval/approve.ts';
import {
  newReviewerKey,
  type ReviewerKey,
  readReviewerKey,
} from '../../packages/gateway/src/authoring/approval/reviewer-key.ts';
import type { Finding } from '../../packages/gateway/src/authoring/finding.ts';
import type { ApprovalConfig } from '../../packages/gateway/src/config/approval.ts';

export interface TestReviewerKey extends ReviewerKey {
  principal: string;
  keyId: string;
  /** What its file holds. */
  text: string;
}

export function reviewerKey(principal: string): TestReviewerKey {
  const { text, keyId } = newReviewerKey();
  return { ...readReviewerKey(text, 'test'), principal, keyId, text };
}

/** The quorum as a line of cmcp.yaml writes it. */
export function quorumYaml(reviewers: readonly TestReviewerKey[], members: object = {}): string {
  const who = reviewers.map(({ x, principal }) => ({ key: x, principal }));
  return JSON.stringify({ threshold: reviewers.length, reviewers: who, ...members });
}

/** When a test approves, and what. */
export interface TestApproval {
  kind: ApprovalKind;
  /** The catalog file, or the bundle's folder. */
  path: string;
  hash: string;
  config: ApprovalConfig;
  now: number;
  findings?: Finding[];
  overrides?: { rule: string; reason: string }[];
  before?: ApprovalRecord;
}

/** Writes the approval of what lies at `path`, signed by these, for an hour. */
export async function writeApproval(what: TestApproval, reviewers: readonly ReviewerKey[]): Promise<Pending> {
  const { kind, path, hash, config, now, findings = [], overrides = [], before = null } = what;
  const change = { kind, hash, before: { hash: null, record: before }, changeSetDigest: hash };
  const files = filesInForce(kind, path);
  let pending: Pending | null = null;
  for (const [index, key] of reviewers.entries()) {
    const own = index === 0 ? overrides : [];
    const by = { key, role: null, now, expiresAt: now + 3600, overrides: own };
    pending = approve(change, config, findings, pending, by);
  }
  if (pending === null) throw new Error('nobody approves');
  await writeFile(files.checks, JSON.stringify(pending.checks));
  await writeFile(files.record, JSON.stringify(pending.record));
  return pending;
}

/** A record with one approval signed anew after `members` were changed in it. */
export function resigned(record: JsonObject, key: ReviewerKey, members: JsonObject): JsonObject {
  const approvals = (record.approvals as JsonObject[]).map((approval) => {
    const changed = { ...approval, ...members };
    return { ...changed, signature: key.sign(approvalPreimage(record, changed)) };
  });
  return { ...record, approvals };
}

export const catalogPath = (folder: string): string => join(folder, 'catalog.json');
export const policyPath = (folder: string): string => join(folder, 'policy');
