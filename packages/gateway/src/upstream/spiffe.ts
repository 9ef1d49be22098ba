import type { X509Certificate } from 'node:crypto';
import { FormatError, parseCertificate, uriNames } from '@cmcp/evidence';
import { svidProblem } from '../identity/spiffe/svid.ts';

/** Why a certificate that leads to the right authority is not the X509-SVID of `id`, or null (AUTHZ-12). */
export function spiffeProblem(certificate: X509Certificate, id: string): string | null {
  try {
    const parsed = parseCertificate(new Uint8Array(certificate.raw));
    const problem = svidProblem(parsed);
    if (problem !== null) return problem;
    return uriNames(parsed)[0] === id ? null : 'the certificate has another SPIFFE id';
  } catch (error) {
    if (error instanceof FormatError) return `the certificate cannot be read: ${error.message}`;
    throw error;
  }
}
