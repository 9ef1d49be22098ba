import { GatewayError } from '../../errors.ts';
import { TpmError } from './error.ts';

/** Evidence that a TPM did not give. `why` goes on after "The TPM". */
export function tpmFailed(why: string, cause?: unknown): GatewayError {
  return new GatewayError('ATTESTATION_FAILED', `the TPM ${why}`, { cause });
}

/** Runs what talks to the TPM, and gives its errors the name that the gateway knows. @throws GatewayError ATTESTATION_FAILED */
export async function orAttestationFailed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TpmError)) throw error;
    throw new GatewayError('ATTESTATION_FAILED', error.message, { cause: error });
  }
}
