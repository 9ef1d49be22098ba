import { encodeHex, pcrAfter } from '@cmcp/evidence';
import type { LaunchRegister } from '../types.ts';
import type { Tpm } from './api.ts';
import { orAttestationFailed, tpmFailed } from './failure.ts';

/**
 * The register that a measured launch records the gateway in (contracts section 4): no program resets it, unlike PCR 16 and 23, and
 * boot loaders leave it alone, unlike 14, which is shim's (UAPI Group, Linux TPM PCR Registry).
 */
const LAUNCH_PCR = 13;
const BANK = 'sha256';

/** Reads PCR 13 of the SHA-256 bank. @throws GatewayError ATTESTATION_FAILED */
export async function readLaunchRegister(tpm: Tpm): Promise<LaunchRegister> {
  const values = await orAttestationFailed(() => tpm.run((commands) => commands.pcrRead(BANK, [LAUNCH_PCR])));
  const value = values.get(LAUNCH_PCR);
  if (value === undefined) throw tpmFailed(`does not say what PCR ${LAUNCH_PCR} holds`);
  return {
    name: `PCR ${LAUNCH_PCR}`,
    value: encodeHex(value),
    after: pcrAfter,
  };
}

/** Extends PCR 13 of the SHA-256 bank by 32 bytes. @throws GatewayError ATTESTATION_FAILED */
export async function extendLaunchRegister(tpm: Tpm, digest: Uint8Array): Promise<void> {
  await orAttestationFailed(() => tpm.run((commands) => commands.pcrExtend(LAUNCH_PCR, { [BANK]: digest })));
}
