import { machineUserData } from '@cmcp/evidence';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { choosePlatform, type Platforms } from './choose.ts';
import { systemPlatforms } from './system-platforms.ts';
import type { LiveEvidence } from './types.ts';

/** What vouches for this machine, asked without a gateway. */
export interface MachineAnswer {
  evidence: LiveEvidence;
  /** What was chosen and why, in plain words. */
  why: string;
}

/**
 * Fresh evidence about this machine for a caller's challenge, of the platform that the configuration names.
 *
 * @param report is told, in plain words, what the evidence lacks and why
 * @throws GatewayError ATTESTATION_UNAVAILABLE, ATTESTATION_FAILED
 */
export async function machineEvidence(
  config: Pick<Config, 'attestation' | 'dev'>,
  nonce: Uint8Array,
  report: (detail: string) => void,
  platforms: Platforms = systemPlatforms(config, report),
): Promise<MachineAnswer> {
  const { provider, why } = await choosePlatform(config.attestation.provider, config.dev, platforms);
  if (provider === null) throw new GatewayError('ATTESTATION_UNAVAILABLE', `there is no evidence to show: ${why}`);
  try {
    return { evidence: await provider.collectLive(machineUserData(nonce)), why };
  } finally {
    await provider.close();
  }
}
