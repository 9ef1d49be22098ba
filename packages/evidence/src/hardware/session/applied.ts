import type { Expectations } from '../../expectations.ts';
import { notChecked, required } from '../../finding.ts';
import type { Check } from '../../report.ts';
import type { EvidencePolicy } from '../policy.ts';
import type { EvidenceKind } from '../verdict.ts';

/** The parts of a policy that speak of each kind of evidence. */
const SPEAKS_OF: Record<EvidenceKind, readonly (keyof EvidencePolicy)[]> = {
  'sev-snp': ['sevSnp'],
  tdx: ['tdx'],
  tpm: ['tpm'],
  'azure-cvm': ['sevSnp', 'tdx', 'tpm'],
  nvidia: ['nvidia'],
};

/** What the relying party brought and no evidence of the session could be held against: an expectation never looks met by that. */
export function idleExpectations(
  kinds: readonly EvidenceKind[],
  { evidencePolicy, gpuServiceKeys }: Expectations,
): Check[] {
  const parts = Object.keys(evidencePolicy ?? {}) as (keyof EvidencePolicy)[];
  const spoken = kinds.flatMap((kind) => SPEAKS_OF[kind]);
  const idlePolicy = parts.length > 0 && !parts.some((part) => spoken.includes(part));
  const idleKeys = gpuServiceKeys !== undefined && !kinds.includes('nvidia');
  return [
    ...(idlePolicy ? [idle('hardware.policy', 'Was your policy for hardware applied?', '--evidence-policy')] : []),
    ...(idleKeys ? [idle('hardware.gpu', 'Is there evidence of a GPU in this session?', '--gpu-service-keys')] : []),
  ];
}

function idle(id: string, title: string, flag: string): Check {
  return required(id, title, notChecked(`the session has no evidence that ${flag} speaks of`, `leave out ${flag}`));
}
