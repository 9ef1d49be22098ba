import { asserted, informative, proven } from '../finding.ts';
import { ARTIFACTS, type ManifestDocument } from './document.ts';
import { type Stage, stage } from './stage.ts';

/** Days for which logs are kept at level 2. */
const RETENTION_DAYS = 180;

/**
 * Whether the manifest has what its conformance level asks for (wire-formats section 16.8). Reported, and no part of the verdict:
 * a manifest below its level is still the manifest that was signed.
 *
 * @param attested whether the attestation in it names it
 */
export function levelStage(document: ManifestDocument, level: number, attested: boolean): Stage {
  if (level < 1) return stage([]);
  const lacking = lackingAt(document, level, attested);
  const finding =
    lacking.length === 0
      ? proven(`it has what level ${level} asks for`, `level ${level}`)
      : asserted(`at level ${level} it would also have ${lacking.join(', ')}`);
  return stage([informative('manifest.level', 'Has it what its conformance level asks for?', finding)]);
}

function lackingAt(document: ManifestDocument, level: number, attested: boolean): string[] {
  const { artifacts, delegation_chain, hitl_record, crypto_profile, log_retention } = document;
  const needs: [number, string, boolean][] = [
    [1, 'an attestation that names it', attested],
    [1, 'a sealed audit key', artifacts.decision_trace?.audit_key_sealed === true],
    [1, 'a container image digest', artifacts.supply_chain?.container_image_digest !== undefined],
    ...ARTIFACTS.map((name): [number, string, boolean] => [2, name, artifacts[name] != null]),
    [2, 'delegation_chain', (delegation_chain ?? []).length > 0],
    [2, 'hitl_record', hitl_record != null],
    [2, `logs kept for ${RETENTION_DAYS} days`, (log_retention?.minimum_retention_days ?? 0) >= RETENTION_DAYS],
    [3, 'the post-quantum profile', crypto_profile === 'post-quantum'],
  ];
  return needs.filter(([from, , met]) => level >= from && !met).map(([, name]) => name);
}
