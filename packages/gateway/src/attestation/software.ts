import { fileURLToPath } from 'node:url';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { measureCode } from './measure.ts';
import type { Attestation } from './types.ts';

/**
 * The attestation of a gateway without hardware evidence. Only dev mode may run so; otherwise the gateway refuses to
 * start, because a claim that nobody can check must not look like one that was checked.
 */
export async function softwareAttestation(config: Config): Promise<Attestation> {
  if (!config.dev) {
    throw new GatewayError(
      'ATTESTATION_UNAVAILABLE',
      'this version collects no hardware evidence; set CMCP_DEV_MODE=1 to run with software keys, which prove nothing about the machine',
    );
  }
  const gatewayMeasurement = await measureCode({
    gateway: fileURLToPath(new URL('..', import.meta.url)),
    evidence: fileURLToPath(new URL('.', import.meta.resolve('@cmcp/evidence'))),
  });
  return {
    platform: 'software-only',
    trustLevel: 'software',
    launchLevel: 'ML0',
    gatewayMeasurement,
    tlsSpki: 'none',
    rollbackProtection: 'none',
  };
}
