import { asserted, type Finding, proven } from '../../finding.ts';
import type { EvidencePolicy } from '../policy.ts';
import type { EvidenceCheck, EvidenceVerdict } from '../verdict.ts';
import type { PlatformKind } from './claimed-evidence.ts';

const UNSHOWN = 'policy, catalog and mode are asserted by a program on a genuine platform';

/** Registers where a measured launch records the gateway (contracts section 4): those below hold firmware and boot loader. */
const FIRST_LAUNCH_PCR = 8;
const LAUNCH_RTMRS = ['1', '2', '3'] as const;

/**
 * Whether the measured state covers the program: only then does what it wrote follow from the evidence. A reference value for
 * firmware alone does not (contracts section 4).
 */
export function codeFinding(
  kind: PlatformKind,
  verdict: EvidenceVerdict,
  state: Finding,
  policy: EvidencePolicy | undefined,
): Finding {
  if (state.outcome !== 'proven') return asserted(`no reference value is shown: ${UNSHOWN}`, state.remedy);
  if (kind === 'sev-snp') return proven('the launch measurement is your reference value', '--measurement');
  if (kind === 'tdx') return tdxCode(verdict, policy);
  const covered = Object.values(policy?.tpm?.pcrs ?? {}).some((bank) =>
    Object.keys(bank).some((index) => Number(index) >= FIRST_LAUNCH_PCR),
  );
  if (covered && holds(verdict.checks, '.reference_pcrs'))
    return proven('registers of the launch have your reference values', '--evidence-policy');
  return asserted(
    `the measurement covers firmware, not the gateway: ${UNSHOWN}`,
    '--evidence-policy FILE with reference values for one of PCR 8 to 15',
  );
}

function tdxCode({ checks }: EvidenceVerdict, policy: EvidencePolicy | undefined): Finding {
  const covered = LAUNCH_RTMRS.some(
    (index) => policy?.tdx?.rtmr?.[index] !== undefined && holds(checks, `tdx.rtmr${index}`),
  );
  if (covered) return proven('a register of the launch has your reference value', '--evidence-policy');
  return asserted(
    `the measurement covers firmware, not the gateway: ${UNSHOWN}`,
    '--evidence-policy FILE with reference values for one of RTMR 1 to 3',
  );
}

/** Whether the checks whose id ends so were made, and all hold. */
function holds(checks: readonly EvidenceCheck[], end: string): boolean {
  const found = checks.filter(({ id }) => id.endsWith(end));
  return found.length > 0 && found.every(({ outcome }) => outcome === 'proven');
}
