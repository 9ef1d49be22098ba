import type { JsonObject } from '@cmcp/evidence';
import type { Approvals, StandingApproval } from './require.ts';

/** What the entry of an activation says of the approval: who of how many, until when, and who answers for what was found. */
export function approvalEntry(approval: StandingApproval | null): JsonObject {
  if (approval === null) return { approval: 'none' };
  const { digest, record, reviewers, threshold, expiresAt, overrides } = approval;
  return {
    approval: digest,
    approval_quorum: `${reviewers.length} of ${threshold}`,
    approval_sequence: record.sequence,
    approval_expires_at: expiresAt,
    reviewers: reviewers.map(({ principal, keyId }) => `${principal} (${keyId})`).join(', '),
    overrides: overrides.map(({ rule, principal }) => `${rule} by ${principal}`).join(', ') || 'none',
  };
}

/** What each session commits to. */
export function approvalCommitment({ policy, catalog }: Approvals): JsonObject {
  return {
    policy_approval: policy?.digest ?? 'none',
    policy_overrides: policy?.overrides.length ?? 0,
    catalog_approval: catalog?.digest ?? 'none',
    catalog_overrides: catalog?.overrides.length ?? 0,
  };
}
