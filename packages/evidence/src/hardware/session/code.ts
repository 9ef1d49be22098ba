import type { Expectations } from '../../expectations.ts';
import { asserted, type Finding, proven } from '../../finding.ts';
import type { EvidenceCheck, EvidenceVerdict } from '../verdict.ts';
import type { PlatformKind } from './claimed-evidence.ts';

const UNSHOWN = 'policy, catalog and mode are asserted by a program on a genuine platform';

/**
 * Registers that hold all of a boot chain behind the firmware (contracts section 4): a unified kernel image, or the commands and the files
 * of GRUB. Others hold parts that differ little between machines, and the launch register, PCR 13 and RTMR 3, what root on any boot chain
 * can write (UAPI Group, Linux TPM PCR Registry).
 */
const BOOT_PCRS = [['11'], ['8', '9']] as const;
/** Boot loader; kernel with its command line and initrd. */
const BOOT_RTMRS = ['1', '2'] as const;

/** What else is known of a launch. */
export interface LaunchFacts {
  /** Whether the launch register holds the expected gateway; null when none was named. */
  register: Finding | null;
  /** What the gateway says of its own launch, such as `ML0`; null when it says nothing. It is believed only to its disadvantage. */
  level: string | null;
}

/** What the relying party says of its reference values. */
type Named = Pick<Expectations, 'evidencePolicy' | 'immutableImage'>;

/**
 * Whether the measured state covers the program: only then does what it wrote follow from the evidence. A reference value for
 * firmware alone does not (contracts section 4). Behind a boot chain that has its reference values, either the launch register names the
 * gateway, or the relying party says that nothing can be added to the image: a file never says that for itself.
 *
 * @param quote of a TPM, the one that covers the launch: of a session the second, since its first covers firmware only
 */
export function codeFinding(
  kind: PlatformKind,
  verdict: EvidenceVerdict,
  state: Finding,
  named: Named,
  { register, level }: LaunchFacts,
  quote: 'tpm-second' | 'tpm' = 'tpm-second',
): Finding {
  if (state.outcome !== 'proven') return asserted(`no reference value is shown: ${UNSHOWN}`, state.remedy);
  if (level === 'ML0') {
    const detail = 'the gateway says itself that nothing measured its launch (ML0)';
    return asserted(`${detail}: ${UNSHOWN}`, 'a gateway with a measured launch');
  }
  if (register?.outcome === 'failed') return register;
  if (kind === 'sev-snp') return proven('the launch measurement is your reference value', '--measurement');
  const { covered, missing } = kind === 'tdx' ? tdxBoot(verdict) : tpmBoot(kind, verdict, named, quote);
  if (!covered) return asserted(`the measurement covers firmware, not the gateway: ${UNSHOWN}`, missing);
  const boot = 'the boot chain has your reference values';
  if (register?.outcome === 'proven') return proven(`${boot}, and ${register.detail}`, '--gateway-measurement');
  if (named.immutableImage === true)
    return proven(`${boot}, which are of an immutable image, as you say`, '--immutable-image');
  const why = register === null ? 'which gateway it started is not shown' : register.detail;
  return asserted(
    `${boot}; ${why}: ${UNSHOWN}`,
    '--gateway-measurement DIGEST for a measured launch, or --immutable-image if nothing can be added to the image',
  );
}

interface BootChain {
  covered: boolean;
  /** What would show it. */
  missing: string;
}

function tdxBoot({ checks }: EvidenceVerdict): BootChain {
  return {
    // A register is only asked about where there is a reference value for it.
    covered: BOOT_RTMRS.every((index) => holds(checks, `tdx.rtmr${index}`)),
    missing: '--evidence-policy FILE with reference values for RTMR 1 and 2',
  };
}

function tpmBoot(
  kind: PlatformKind,
  { checks }: EvidenceVerdict,
  { evidencePolicy }: Named,
  quote: 'tpm-second' | 'tpm',
): BootChain {
  const banks = Object.values(evidencePolicy?.tpm?.pcrs ?? {});
  const named = banks.some((bank) => BOOT_PCRS.some((chain) => chain.every((index) => Object.hasOwn(bank, index))));
  const compared = kind === 'tpm' ? `${quote}.reference_pcrs` : 'azure-cvm.reference_pcrs';
  return {
    covered: named && holds(checks, compared),
    missing: '--evidence-policy FILE with reference values for the boot chain: PCR 11, or PCR 8 and 9',
  };
}

/** Whether that check was made, and holds. */
function holds(checks: readonly EvidenceCheck[], wanted: string): boolean {
  return checks.some(({ id, outcome }) => id === wanted && outcome === 'proven');
}
