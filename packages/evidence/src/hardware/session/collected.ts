import { decodeEvidenceBase64 } from '../../bytes/evidence-base64.ts';
import { EncodingError } from '../../bytes/utf8.ts';
import { FormatError } from '../../format-error.ts';
import type { JsonObject } from '../../json/value.ts';
import { verifyEvidence } from '../evidence.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import { verifyQuotePair } from '../tpm/quote-pair.ts';
import { type EvidenceVerdict, unreadable } from '../verdict.ts';
import { evidenceBehind, type PlatformKind } from './claimed-evidence.ts';

/** Evidence of a platform as a gateway collects it for a session, before or without a claim. */
export interface CollectedFiles {
  /** As claims name it, such as `tpm2`. */
  platform: string;
  /** The members of a claim's `attestation_evidence`, base64. */
  evidence: JsonObject;
  /** What travels beside the claim; `data` is base64. */
  beside: readonly { role: string; data: string }[];
}

/**
 * Verifies and appraises evidence that should carry the 64 bytes of a session (wire-formats section 10). Total: any bytes give a
 * verdict; null for a platform whose evidence this package does not read.
 */
export async function verifyCollected(
  { platform, evidence, beside }: CollectedFiles,
  bound: Uint8Array<ArrayBuffer>,
  given: Omit<EvidenceGiven, 'userData'>,
): Promise<EvidenceVerdict | null> {
  try {
    const items = beside.map(({ role, data }) => ({ role, data: decoded(data, role) }));
    const { kind, files } = evidenceBehind(platform, evidence, items);
    return kind === null ? null : await platformVerdict(kind, files, bound, given);
  } catch (error) {
    if (error instanceof FormatError) return unreadable('tpm', error.message);
    throw error;
  }
}

/** Which verifier answers for which platform: a TPM needs two quotes for what others say at once (contracts section 4). */
export function platformVerdict(
  kind: PlatformKind,
  files: EvidenceFiles,
  bound: Uint8Array<ArrayBuffer>,
  given: Omit<EvidenceGiven, 'userData'>,
): Promise<EvidenceVerdict> {
  if (kind === 'tpm') return verifyQuotePair(files, bound, given);
  // REPORT_DATA, or the extraData of the quote: the paravisor of Azure owns REPORT_DATA (wire-formats section 10).
  return verifyEvidence(kind, files, { ...given, userData: bound });
}

function decoded(text: string, role: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeEvidenceBase64(text);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${role} is not base64`);
    throw error;
  }
}
