import type { ApprovalKind } from '@cmcp/evidence';
import type { ApprovalFiles } from '../../approval/files.ts';
import type { ApprovalConfig } from '../../config/approval.ts';
import type { Finding } from '../finding.ts';
import { type Approving, approve, reached } from './approve.ts';
import type { Change } from './draft.ts';
import { pendingFiles, readPending, writePending } from './pending-files.ts';

/** How far an approval has come. */
export interface SignedOff {
  files: ApprovalFiles;
  /** Who has approved, in order. */
  principals: string[];
  threshold: number;
  reached: boolean;
  /** What is missing; null when nothing is. */
  problem: string | null;
}

/** Adds an approval to the record that waits beside `path`. `restart`: what others began is void. */
export async function signOff(
  path: string,
  review: { change: Change; quorum: ApprovalConfig; findings: readonly Finding[] },
  by: Approving,
  restart: boolean,
): Promise<SignedOff> {
  const { change, quorum, findings } = review;
  const files = pendingFiles(change.kind, path);
  const begun = restart ? null : await readPending(change.kind, files);
  const pending = approve(change, quorum, findings, begun, by);
  await writePending(files, pending);
  return standing(files, change.kind, quorum, change.hash, by.now);
}

/** How far the record that waits in `files` has come. */
export async function standing(
  files: ApprovalFiles,
  kind: ApprovalKind,
  quorum: ApprovalConfig,
  hash: string,
  now: number,
): Promise<SignedOff> {
  const { threshold } = quorum;
  const pending = await readPending(kind, files);
  if (pending === null) return { files, principals: [], threshold, reached: false, problem: 'nobody has approved' };
  const result = await reached(pending, kind, quorum, hash, now);
  const principals = pending.record.approvals.map(({ principal_id }) => String(principal_id));
  const problem = result.outcome === 'verified' ? null : result.problem;
  return { files, principals, threshold, reached: problem === null, problem };
}
