import {
  type ApprovalChecks,
  type ApprovalKind,
  type ApprovalRecord,
  checksProblem,
  FormatError,
  type Override,
  parseApprovalChecks,
  type TrustedReviewer,
  verifyApproval,
} from '@cmcp/evidence';
import type { ApprovalConfig } from '../config/approval.ts';
import { GatewayError } from '../errors.ts';
import { filesInForce, readApprovalFile, UNAPPROVED } from './files.ts';

/** An approval that holds. */
export interface StandingApproval {
  /** Digest of the record: what sessions commit to. */
  digest: string;
  record: ApprovalRecord;
  reviewers: readonly TrustedReviewer[];
  threshold: number;
  /** Seconds since the epoch. */
  expiresAt: number;
  overrides: readonly Override[];
}

/** Of bundle and catalog; null: the configuration asks for none. */
export interface Approvals {
  policy: StandingApproval | null;
  catalog: StandingApproval | null;
}

/** What is to be approved. */
export interface Approvable {
  kind: ApprovalKind;
  /** The catalog file, or the bundle's folder. */
  path: string;
  hash: string;
}

/**
 * The approval that puts `what` in force at `now` (seconds since the epoch), judged by the configured quorum alone (D-25). It is
 * judged when it is put in force, at the start and at each reload: an approval that lapses later ends no session. `before`:
 * what was in force until now, which nothing older replaces.
 *
 * @throws GatewayError CATALOG_UNAPPROVED or POLICY_UNAPPROVED
 */
export async function requireApproval(
  what: Approvable,
  config: ApprovalConfig | null,
  now: number,
  before: StandingApproval | null = null,
): Promise<StandingApproval | null> {
  if (config === null) return null;
  const { kind, path, hash } = what;
  const files = filesInForce(kind, path);
  const { subjectId, leastSequence, threshold } = config;
  const given = { kind, quorum: config, subjectId, leastSequence, hash, now };
  const result = await verifyApproval(await readApprovalFile(kind, files.record), given);
  if (result.outcome !== 'verified') throw refusal(kind, files.record, result.problem);
  const { digest, record, reviewers, expiresAt } = result;
  const turn = outOfTurn(record, before);
  if (turn !== null) throw refusal(kind, files.record, turn);
  const checks = await readChecks(kind, files.checks);
  const problem = checksProblem(checks, record, reviewers);
  if (problem !== null) throw refusal(kind, files.checks, problem);
  return { digest, record, reviewers, threshold, expiresAt, overrides: checks.overrides };
}

/** A running gateway knows what it ran: a record that was replaced does not come back, and none is skipped over in silence. */
function outOfTurn(next: ApprovalRecord, before: StandingApproval | null): string | null {
  if (before === null) return null;
  const { sequence, newHash, previousRecordHash, previousHash } = next;
  const last = before.record;
  if (sequence === last.sequence && newHash === last.newHash) return null;
  if (sequence <= last.sequence) return `the sequence ${sequence} does not follow ${last.sequence}, which is in force`;
  if (sequence > last.sequence + 1) return null;
  return previousRecordHash === before.digest && previousHash === last.newHash
    ? null
    : 'the record names another predecessor than the one in force';
}

async function readChecks(kind: ApprovalKind, path: string): Promise<ApprovalChecks> {
  const bytes = await readApprovalFile(kind, path);
  try {
    return parseApprovalChecks(bytes);
  } catch (error) {
    if (error instanceof FormatError) throw refusal(kind, path, error.message);
    throw error;
  }
}

function refusal(kind: ApprovalKind, path: string, problem: string): GatewayError {
  return new GatewayError(UNAPPROVED[kind], `${path}: ${problem}`);
}
