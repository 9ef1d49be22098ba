import { GatewayError } from '../errors.ts';
import { type Detection, type EvidenceProvider, PROVIDERS, type ProviderKind } from './types.ts';

/** What may vouch for a machine, by its name. */
export type HardwareKind = Exclude<ProviderKind, 'software-only'>;

/** The platforms of this machine: the only way to a device. */
export interface Platforms {
  /** Looks, and changes nothing. */
  detect(kind: HardwareKind): Promise<Detection>;
  /** Rejects with GatewayError ATTESTATION_FAILED when the platform is not usable after all. */
  open(kind: HardwareKind): Promise<EvidenceProvider>;
}

/** Strongest first: the evidence of a processor before that of a TPM (W-35). */
export const HARDWARE: readonly HardwareKind[] = PROVIDERS.filter((kind) => kind !== 'software-only');

/** What was found on this machine, strongest first. */
export function detectAll(platforms: Platforms): Promise<Detection[]> {
  return Promise.all(HARDWARE.map((kind) => platforms.detect(kind)));
}

/** What was chosen, and why, in plain words. */
export interface Choice {
  /** null: no hardware, which only dev mode allows. */
  provider: EvidenceProvider | null;
  why: string;
}

/**
 * Opens the platform that the configuration names, or with `auto` the strongest that is there. Where one is there and does not
 * work, no weaker one takes its place: that would be a downgrade that anyone could cause.
 *
 * @throws GatewayError ATTESTATION_UNAVAILABLE, ATTESTATION_FAILED
 */
export async function choosePlatform(
  wanted: 'auto' | ProviderKind,
  dev: boolean,
  platforms: Platforms,
): Promise<Choice> {
  if (wanted === 'software-only') {
    if (dev) return { provider: null, why: 'software-only, as configured' };
    throw unavailable(
      '`attestation.provider` is software-only, which is for dev mode: it proves nothing about the machine',
    );
  }
  if (wanted !== 'auto') {
    const detection = await platforms.detect(wanted);
    if (!detection.available) throw unavailable(described(detection));
    return { provider: await platforms.open(wanted), why: `${wanted}, as configured` };
  }
  const detections = await detectAll(platforms);
  const strongest = detections.find(({ available }) => available);
  const found = detections.map(described).join('; ');
  if (strongest !== undefined && strongest.kind !== 'software-only')
    return {
      provider: await platforms.open(strongest.kind),
      why: `${strongest.kind} is the strongest of what is here (${found})`,
    };
  if (dev) return { provider: null, why: `software-only, because dev mode is on and nothing else is here (${found})` };
  throw unavailable(
    `${found}. For trying it out, CMCP_DEV_MODE=1 runs with software keys, which prove nothing about the machine`,
  );
}

function described({ kind, reason, remedy }: Detection): string {
  return remedy === null ? `${kind}: ${reason}` : `${kind}: ${reason} (${remedy})`;
}

function unavailable(detail: string): GatewayError {
  return new GatewayError('ATTESTATION_UNAVAILABLE', detail);
}
