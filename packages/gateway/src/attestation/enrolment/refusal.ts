import { GatewayError } from '../../errors.ts';

/** Why an attestation key gets no certificate. `detail` says what failed, why, and what to do. */
export function refused(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('ENROLMENT_REFUSED', detail, { cause });
}
