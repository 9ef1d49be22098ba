import { type ChainEntry, textOf } from '../audit/chain-entry.ts';
import { asserted, type Finding, failed, informative, proven, required } from '../finding.ts';
import { member } from '../json/value.ts';
import { printable } from '../printable.ts';
import type { Check } from '../report.ts';
import type { QuorumFile } from './quorum-file.ts';
import type { ApprovalKind } from './record.ts';
import { verifyApproval } from './verify.ts';

/** Approval records that a relying party holds, and the quorum that it asks for. */
export interface ApprovalExpectation {
  quorum: QuorumFile;
  /** Where the quorum is from, for the report. */
  source: string;
  catalog?: Uint8Array | string;
  bundle?: Uint8Array | string;
}

const QUESTIONS = {
  bundle: { id: 'policy.approval', title: 'Did people approve the policy?', name: 'policy' },
  catalog: { id: 'catalog.approval', title: 'Did people approve the catalog?', name: 'catalog' },
} as const;

/**
 * Who approved what a session ran under. Without a record it is what the gateway committed to; with one, it is held to the relying
 * party's own quorum, at the time at which the session was opened.
 */
export async function approvalChecks(
  start: ChainEntry | null,
  hashes: Record<ApprovalKind, string>,
  given: ApprovalExpectation | undefined,
): Promise<Check[]> {
  const checks = await Promise.all(
    (['bundle', 'catalog'] as const).map(async (kind) => {
      const { id, title, name } = QUESTIONS[kind];
      const committed = textOf(start?.detail ?? {}, `${name}_approval`);
      const record = given?.[kind];
      if (given !== undefined && record !== undefined) {
        const finding = await heldTo(record, kind, { committed, hash: hashes[kind], start }, given);
        return [required(id, title, finding)];
      }
      if (committed === null || committed === 'none') return [];
      return [informative(id, title, said(committed, member(start?.detail ?? {}, `${name}_overrides`)))];
    }),
  );
  return checks.flat();
}

function said(committed: string, overrides: unknown): Finding {
  const answered =
    overrides === 0 ? 'no finding of the linter' : `${printable(String(overrides))} findings of the linter`;
  return asserted(
    `the gateway asked for approvals and names the record ${printable(committed)}; ${answered} answered for by a reviewer`,
  );
}

async function heldTo(
  record: Uint8Array | string,
  kind: ApprovalKind,
  session: { committed: string | null; hash: string; start: ChainEntry | null },
  { quorum, source }: ApprovalExpectation,
): Promise<Finding> {
  const { committed, hash, start } = session;
  const subjectId = kind === 'catalog' ? quorum.catalogId : quorum.bundleId;
  // Without an opening there is no time, and a time that is no number approves nothing.
  const now = start === null ? Number.NaN : start.micros / 1e6;
  const result = await verifyApproval(record, { kind, quorum, subjectId, hash, now });
  if (result.outcome !== 'verified') return failed(result.problem, source);
  if (result.digest !== committed)
    return failed(`the session names another record: ${printable(committed ?? 'none')}`, source);
  const names = result.reviewers.map(({ principal }) => printable(principal)).join(', ');
  return proven(`${names} approved it: ${result.reviewers.length} of ${quorum.threshold}`, source);
}
