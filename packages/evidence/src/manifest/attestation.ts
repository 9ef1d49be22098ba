import { equalBytes } from '../bytes/equal.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { failed, notChecked, proven, required } from '../finding.ts';
import { isObject, type JsonValue, member } from '../json/value.ts';
import { type Stage, stage } from './stage.ts';

/** Whether the attestation that comes with a manifest names this manifest. */
export interface Attestation extends Stage {
  verified: boolean;
}

const TITLE = 'Does the hardware attestation name this manifest?';

/**
 * Compares the hash in the attestation with the manifest's. One that names another manifest is a report about another agent,
 * and refuses whether or not an attestation was asked for (wire-formats section 16.4). The report behind it is not looked at.
 *
 * @param hash `sha256:…` of what attestation covers: the payload of an envelope, or the document without what came after signing
 */
export function attestationOf(block: JsonValue | undefined, hash: string, enforced: boolean): Attestation {
  const reported = isObject(block) ? (member(block, 'manifest_hash_in_report') ?? '') : '';
  const malformed = block !== undefined && block !== null && !isObject(block);
  if (malformed || (reported !== '' && reported !== null)) {
    const same =
      typeof reported === 'string' && reported.isWellFormed() && equalBytes(encodeUtf8(reported), encodeUtf8(hash));
    const finding = same
      ? proven('the attestation names it; the report behind the attestation is not part of a manifest', hash)
      : failed('the attestation names another manifest', hash);
    return { ...stage([required('manifest.attestation', TITLE, finding)]), verified: same };
  }
  const none = notChecked('the manifest carries no attestation that names it', 'an attested manifest');
  const check = required('manifest.attestation', TITLE, none);
  return { ...(enforced ? stage([check], 'ATTESTATION_UNAVAILABLE') : stage([])), verified: false };
}
