import { type Approvable, requireApproval } from '../approval/require.ts';
import type { ApprovalConfig } from '../config/approval.ts';

/** Whether what is on disk is approved as the configuration asks: `2 of 2 until 2026-01-31T12:00:00Z`. */
export async function checkApproval(what: Approvable, config: ApprovalConfig | null, now: number): Promise<string> {
  const approval = await requireApproval(what, config, now);
  if (approval === null) return 'not asked for';
  const { reviewers, threshold, expiresAt, overrides } = approval;
  const end = new Date(expiresAt * 1000).toISOString().replace('.000Z', 'Z');
  const answered = overrides.length === 0 ? '' : `, ${overrides.length} findings answered for`;
  return `${reviewers.length} of ${threshold} until ${end}${answered}`;
}
