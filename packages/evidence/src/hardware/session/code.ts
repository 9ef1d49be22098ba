import { asserted, type Finding, proven } from '../../finding.ts';
import type { EvidencePolicy } from '../policy.ts';
import type { EvidenceCheck, EvidenceVerdict } from '../verdict.ts';
import type { PlatformKind } from './claimed-evidence.ts';

const UNSHOWN = 'policy, catalog and mode are asserted by a program on a genuine platform';

/**
 * Registers where a measured launch records the gateway (contracts section 4): those below hold firmware and boot loader, and of those
 * above any program can reset some (TCG PC Client Platform TPM Profile, PCR attributes).
 */
const LAUNCH_PCRS = ['8', '9', '10', '11', '12', '13', '14', '15'];
const LAUNCH_RTMRS = ['1', '2', '3'] as const;

/**
 * Whether the measured state covers the program: only then does what it wrote follow from the evidence. A reference value for
 * firmware alone does not (contracts section 4).
 *
 * @param launch whether the launch register holds the expected gateway; null when none was named
 * @param quote of a TPM, the one that covers the launch: of a session the second, since its first covers firmware only
 */
export function codeFinding(
  kind: PlatformKind,
  verdict: EvidenceVerdict,
  state: Finding,
  policy: EvidencePolicy | undefined,
  launch: Finding | null,
  quote: 'tpm-second' | 'tpm' = 'tpm-second',
): Finding {
  if (state.outcome !== 'proven') return asserted(`no reference value is shown: ${UNSHOWN}`, state.remedy);
  if (launch?.outcome === 'proven')
    return proven(
      `${launch.detail}; it rests on the boot chain that your --measurement names`,
      '--gateway-measurement',
    );
  if (kind === 'sev-snp') return proven('the launch measurement is your reference value', '--measurement');
  if (kind === 'tdx') return tdxCode(verdict);
  const covered = Object.values(policy?.tpm?.pcrs ?? {}).some((bank) =>
    Object.keys(bank).some((index) => LAUNCH_PCRS.includes(index)),
  );
  const compared = kind === 'tpm' ? `${quote}.reference_pcrs` : 'azure-cvm.reference_pcrs';
  if (covered && holds(verdict.checks, compared))
    return proven('registers of the launch have your reference values', '--evidence-policy');
  return asserted(
    `the measurement covers firmware, not the gateway: ${UNSHOWN}`,
    '--gateway-measurement DIGEST, or --evidence-policy FILE with reference values for one of PCR 8 to 15',
  );
}

function tdxCode({ checks }: EvidenceVerdict): Finding {
  // A register is only asked about where there is a reference value for it.
  if (LAUNCH_RTMRS.some((index) => holds(checks, `tdx.rtmr${index}`)))
    return proven('a register of the launch has your reference value', '--evidence-policy');
  return asserted(
    `the measurement covers firmware, not the gateway: ${UNSHOWN}`,
    '--gateway-measurement DIGEST, or --evidence-policy FILE with reference values for one of RTMR 1 to 3',
  );
}

/** Whether that check was made, and holds. */
function holds(checks: readonly EvidenceCheck[], wanted: string): boolean {
  return checks.some(({ id, outcome }) => id === wanted && outcome === 'proven');
}
