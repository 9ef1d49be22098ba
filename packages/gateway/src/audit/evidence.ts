import { canonicalSorted, digest, type JsonObject, stringifyJson } from '@cmcp/evidence';
import type { CollectedEvidence, EvidenceFile } from '../attestation/types.ts';

/** Evidence for one session, and when it was made. Plain values: it is stored and crosses threads. */
export interface SessionEvidence extends CollectedEvidence {
  /** Microseconds since the epoch, by the gateway's clock. */
  generatedMicros: number;
  /** How long it counts as fresh. */
  validitySeconds: number;
}

/** Asks the platform for evidence that carries 64 bytes. Rejects with GatewayError ATTESTATION_FAILED. */
export type Attest = (bound: Uint8Array) => Promise<SessionEvidence>;

/** What the chain says of evidence that was stored beside it: its digest, so that no other can take its place unnoticed. */
export function refreshDetail(evidence: SessionEvidence): JsonObject {
  const { platform, measurement, validitySeconds } = evidence;
  return { platform, measurement, validity_seconds: validitySeconds, evidence_digest: evidenceDigest(evidence) };
}

/** `sha256:…` over the canonical form of all that was collected. */
function evidenceDigest({ platform, measurement, firmwareVersion, evidence, beside }: CollectedEvidence): string {
  const files = beside.map(({ role, data }) => [role, data]);
  return digest(canonicalSorted({ platform, measurement, firmware_version: firmwareVersion, evidence, files }));
}

/** Certificates and event logs are the same in every session's evidence: one copy of each text is kept for all that are open. */
export class SharedFiles {
  readonly #latest = new Map<string, EvidenceFile>();

  /** `files`, where one that is as the last of its role was is that one. */
  share(files: readonly EvidenceFile[]): EvidenceFile[] {
    return files.map((file) => {
      const known = this.#latest.get(file.role);
      if (known !== undefined && known.data === file.data && known.media_type === file.media_type) return known;
      this.#latest.set(file.role, file);
      return file;
    });
  }
}

/**
 * Evidence of a process that is gone, for a session that its successor recovered: beside the claim as one item, which the verifier
 * holds against the earlier key (contracts section 2).
 */
export function earlierEvidence({ platform, measurement, evidence, beside }: SessionEvidence): EvidenceFile {
  const text = stringifyJson({ platform, measurement, evidence, files: beside.map((file) => ({ ...file })) });
  return { role: 'earlier/evidence', media_type: 'application/json', data: Buffer.from(text).toString('base64') };
}
