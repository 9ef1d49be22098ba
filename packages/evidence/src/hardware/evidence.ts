import { azureEvidence } from './azure-cvm/evidence.ts';
import type { EvidenceFiles, EvidenceGiven } from './given.ts';
import { nvidiaEvidence } from './nvidia/evidence.ts';
import { snpEvidence } from './sev-snp/evidence.ts';
import { tdxEvidence } from './tdx/evidence.ts';
import { tpmEvidence } from './tpm/evidence.ts';
import type { EvidenceKind, EvidenceVerdict } from './verdict.ts';

const VERIFIERS: Record<EvidenceKind, (files: EvidenceFiles, given: EvidenceGiven) => Promise<EvidenceVerdict>> = {
  'sev-snp': snpEvidence,
  tdx: tdxEvidence,
  tpm: tpmEvidence,
  'azure-cvm': azureEvidence,
  nvidia: nvidiaEvidence,
};

/**
 * Verifies and appraises one piece of hardware evidence. Total: any bytes give a verdict. Reads no clock, no network and no
 * root but those in `given`.
 *
 * @param files by role: `report`, `vcek`, `chain`, `quote`, `attest`, `signature`, … (docs/verifying.md lists them)
 */
export function verifyEvidence(
  kind: EvidenceKind,
  files: EvidenceFiles,
  given: EvidenceGiven,
): Promise<EvidenceVerdict> {
  return VERIFIERS[kind](files, given);
}
