import type { Check } from '../report.ts';

/** The verdict on a manifest (wire-formats section 16.4). Only VALID is good. */
export type ManifestResult =
  | 'VALID'
  | 'MISMATCH'
  | 'EXPIRED'
  | 'REVOKED'
  | 'INCOMPLETE'
  | 'ATTESTATION_UNAVAILABLE'
  | 'INCOMPATIBLE_VERSION'
  | 'SIGNATURE_MISSING'
  | 'UNVERIFIABLE';

/** What one part of the verification found, and the verdicts that follow from it. A failed check demands MISMATCH by itself. */
export interface Stage {
  checks: Check[];
  demands: ManifestResult[];
}

/** A part that demands nothing beyond what its failed checks do. */
export function stage(checks: Check[], ...demands: ManifestResult[]): Stage {
  return { checks, demands };
}

/** Which demand wins, first to last. */
const ORDER: readonly ManifestResult[] = [
  'MISMATCH',
  'SIGNATURE_MISSING',
  'UNVERIFIABLE',
  'INCOMPLETE',
  'ATTESTATION_UNAVAILABLE',
];

/** The verdict that the parts of a verification come to. */
export function resultOf(stages: readonly Stage[]): ManifestResult {
  const failed = stages.some(({ checks }) => checks.some(({ outcome }) => outcome === 'failed'));
  const demands = new Set(stages.flatMap((each) => each.demands));
  if (failed) demands.add('MISMATCH');
  return ORDER.find((result) => demands.has(result)) ?? 'VALID';
}
