import { type EvidenceFiles, type EvidenceKind, type TrustAnchor, verifyEvidence } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';

/** Whom to believe about collateral, and when. */
export interface CollateralTrust {
  anchors: readonly TrustAnchor[];
  /** Seconds since the epoch. */
  at: number;
}

/**
 * Collateral is kept only when it makes the evidence that it was fetched for authentic under a root that is trusted, and when each
 * check in `needed` is proven by it. Whether that platform is acceptable is another question, and not asked.
 *
 * @throws GatewayError COLLATERAL_UNAVAILABLE that says what was found instead
 */
export async function refuseUnproven(
  kind: EvidenceKind,
  files: EvidenceFiles,
  needed: readonly string[],
  trust: CollateralTrust,
): Promise<void> {
  const verdict = await verifyEvidence(kind, files, trust);
  if (!verdict.authentic) {
    const reason = verdict.summary.replace(/^Not authentic: /, '').replace(/\.$/, '');
    throw refused(`what was fetched does not make the evidence authentic: ${reason}`);
  }
  for (const id of needed) {
    const check = verdict.checks.find((each) => each.id === id);
    if (check?.outcome !== 'proven') throw refused(`what was fetched cannot be relied on: ${check?.detail ?? id}`);
  }
}

function refused(detail: string): GatewayError {
  return new GatewayError('COLLATERAL_UNAVAILABLE', `${detail}. Nothing was stored`);
}
