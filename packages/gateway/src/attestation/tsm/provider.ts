import { EncodingError, FormatError } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { EvidenceFile } from '../types.ts';
import { TsmError } from './error.ts';

// What the two providers over configfs-tsm have in common.

/** How long one request may take, milliseconds: a host makes a TDX quote in seconds, and the kernel waits 30 s for it. */
export const REQUEST_MS = 30_000;

/** Evidence or nothing: what goes wrong below is one error above, which says why. @throws GatewayError ATTESTATION_FAILED */
export async function orNoEvidence<T>(platform: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = error instanceof TsmError || error instanceof FormatError || error instanceof EncodingError;
    const detail = error instanceof GatewayError ? error.detail : known ? error.message : null;
    if (detail === null) throw error;
    throw new GatewayError('ATTESTATION_FAILED', `${platform}: ${detail}`, { cause: error });
  }
}

export function base64(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64');
}

/** Items that travel beside the claim, by role. */
export function besideClaim(kind: string, files: Readonly<Record<string, Uint8Array>>): EvidenceFile[] {
  return Object.entries(files).map(([role, bytes]) => ({
    role: `${kind}/${role}`,
    media_type: 'application/octet-stream',
    data: base64(bytes),
  }));
}
