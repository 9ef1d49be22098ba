import { decodeBase64Url, encodeBase64Url } from '../bytes/base64url.ts';
import { EncodingError } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import type { EvidenceFiles } from '../hardware/given.ts';
import type { PlatformKind } from '../hardware/session/claimed-evidence.ts';
import { COLLATERAL_ROLES } from '../hardware/tdx/collateral.ts';
import type { JsonObject } from '../json/value.ts';
import { object, oneOf, openObject, text } from '../shape.ts';

/**
 * What evidence may bring. Roots, pins and challenges are the relying party's to say: from a document they would be expectations
 * about itself (contracts section 5).
 */
const ROLES: Record<PlatformKind, readonly string[]> = {
  'sev-snp': ['report', 'vcek', 'vlek', 'chain', 'crl'],
  tdx: ['quote', 'event_log', ...COLLATERAL_ROLES],
  tpm: ['attest', 'signature', 'ak_public', 'ak_chain', 'ak_transcript', 'ek_chain', 'pcrs', 'event_log'],
  'azure-cvm': [
    ...['evidence', 'hcl_report', 'report', 'runtime_data', 'vcek', 'vlek', 'chain', 'crl', 'quote'],
    ...[...COLLATERAL_ROLES, 'attest', 'signature', 'pcrs', 'event_log'],
  ],
};

/** Evidence that a document carries: files by the roles of {@link verifyEvidence}. */
export interface LiveEvidenceFiles {
  kind: PlatformKind;
  files: EvidenceFiles;
}

/** How they stand in JSON: base64url by role. */
export interface EvidenceMember extends JsonObject {
  kind: PlatformKind;
  files: Record<string, string>;
}

/** What an {@link EvidenceMember} has to look like. */
export const EVIDENCE_MEMBER = object({ kind: oneOf(...Object.keys(ROLES)), files: openObject(text()) });

export function evidenceMember({ kind, files }: LiveEvidenceFiles): EvidenceMember {
  const texts = Object.entries(files).map(([role, bytes]) => [role, encodeBase64Url(bytes)]);
  return { kind, files: Object.fromEntries(texts) };
}

/**
 * The files of a member that {@link EVIDENCE_MEMBER} accepts.
 *
 * @param path names the member in errors
 * @throws FormatError for a role that evidence may not bring, or a text that is not base64url
 */
export function readEvidenceMember({ kind, files }: EvidenceMember, path: string): LiveEvidenceFiles {
  const decodedFiles = Object.entries(files).map(([role, data]) => {
    if (!ROLES[kind].includes(role)) throw new FormatError(`${path} has no role ${JSON.stringify(role)}`);
    return [role, decoded(data, `${path}.files.${role}`)];
  });
  return { kind, files: Object.fromEntries(decodedFiles) };
}

function decoded(data: string, path: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeBase64Url(data);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${path} is not base64url`);
    throw error;
  }
}
