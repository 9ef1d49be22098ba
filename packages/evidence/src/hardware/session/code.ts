import { asserted, type Finding, proven } from '../../finding.ts';
import type { EvidencePolicy } from '../policy.ts';
import type { EvidenceCheck, EvidenceVerdict } from '../verdict.ts';
import type { PlatformKind } from './claimed-evidence.ts';

const UNSHOWN = 'policy, catalog and mode are asserted by a program on a genuine platform';

/**
 * Registers that the boot chain behind the firmware is measured into (contracts section 4). Not among them is the launch register, PCR 13
 * and RTMR 3: what it holds is worth as much as the chain that extended it, and root on another boot chain can extend it as well.
 */
const BOOT_PCRS = ['8', '9', '10', '11', '12', '14', '15'];
const BOOT_RTMRS = ['1', '2'] as const;

/** What else is known of a launch. */
export interface LaunchFacts {
  /** Whether the launch register holds the expected gateway; null when none was named. */
  register: Finding | null;
  /** What the gateway says of its own launch, such as `ML0`; null when it says nothing. */
  level: string | null;
}

/**
 * Whether the measured state covers the program: only then does what it wrote follow from the evidence. A reference value for
 * firmware alone does not (contracts section 4), and a gateway that says itself that nothing measured its launch is believed.
 *
 * @param quote of a TPM, the one that covers the launch: of a session the second, since its first covers firmware only
 */
export function codeFinding(
  kind: PlatformKind,
  verdict: EvidenceVerdict,
  state: Finding,
  policy: EvidencePolicy | undefined,
  { register, level }: LaunchFacts,
  quote: 'tpm-second' | 'tpm' = 'tpm-second',
): Finding {
  if (state.outcome !== 'proven') return asserted(`no reference value is shown: ${UNSHOWN}`, state.remedy);
  if (level === 'ML0') {
    const detail = 'the gateway says itself that nothing measured its launch (ML0)';
    return asserted(`${detail}: ${UNSHOWN}`, 'a gateway with a measured launch');
  }
  // On ML1 the register is all that ties the program to the boot chain.
  if (register !== null && (register.outcome === 'failed' || (level === 'ML1' && register.outcome !== 'proven')))
    return register;
  if (kind === 'sev-snp') return proven('the launch measurement is your reference value', '--measurement');
  const { covered, missing } = kind === 'tdx' ? tdxBoot(verdict) : tpmBoot(kind, verdict, policy, quote);
  if (!covered) return asserted(`the measurement covers firmware, not the gateway: ${UNSHOWN}`, missing);
  const recorded = register?.outcome === 'proven' ? `, and ${register.detail}` : '';
  return proven(`registers of the boot chain have your reference values${recorded}`, '--evidence-policy');
}

interface BootChain {
  covered: boolean;
  /** What would show it. */
  missing: string;
}

function tdxBoot({ checks }: EvidenceVerdict): BootChain {
  return {
    // A register is only asked about where there is a reference value for it.
    covered: BOOT_RTMRS.some((index) => holds(checks, `tdx.rtmr${index}`)),
    missing: '--evidence-policy FILE with reference values for RTMR 1 or 2',
  };
}

function tpmBoot(
  kind: PlatformKind,
  { checks }: EvidenceVerdict,
  policy: EvidencePolicy | undefined,
  quote: 'tpm-second' | 'tpm',
): BootChain {
  const named = Object.values(policy?.tpm?.pcrs ?? {}).some((bank) =>
    Object.keys(bank).some((index) => BOOT_PCRS.includes(index)),
  );
  const compared = kind === 'tpm' ? `${quote}.reference_pcrs` : 'azure-cvm.reference_pcrs';
  return {
    covered: named && holds(checks, compared),
    missing: '--evidence-policy FILE with reference values for the boot chain: one of PCR 8 to 12, 14 or 15',
  };
}

/** Whether that check was made, and holds. */
function holds(checks: readonly EvidenceCheck[], wanted: string): boolean {
  return checks.some(({ id, outcome }) => id === wanted && outcome === 'proven');
}
