import type { JsonObject } from '../json/value.ts';
import { list, nullable, object, oneOf, openObject, type Rule, text, time } from '../shape.ts';
import { parseTimestamp } from '../time.ts';
import { artifactRules } from './artifact-shapes.ts';
import { ARTIFACTS, type ManifestDocument } from './document.ts';
import { delegationHop, disclosures, hitlRecord, logEntry, signatureBlock } from './record-shapes.ts';
import { abridged, type Members, type Part, SPIFFE, UUID7, whole } from './shapes.ts';

const BINDABLE = [...ARTIFACTS, 'delegation_chain', 'hitl_record'];

const HOUR = 3_600_000_000;
const YEAR = 365 * 24 * HOUR;

/**
 * What keeps `document` from being a manifest, or null. Closed objects throughout. Below the top level, and for `issuer`, members
 * may be missing; a rule between members is then not applied, since it is one for whole objects (wire-formats section 16.1).
 */
export function schemaProblem(document: JsonObject): string | null {
  const problem = ABRIDGED(document, 'manifest');
  if (problem !== null || !isWhole(document)) return problem;
  return windowProblem(document as ManifestDocument) ?? profileProblem(document as ManifestDocument);
}

/** Whether nothing that a manifest should have is missing. */
export function isWhole(document: JsonObject): boolean {
  return WHOLE(document, 'manifest') === null;
}

function windowProblem({ issued_at, expires_at }: ManifestDocument): string | null {
  const life = (parseTimestamp(expires_at) ?? 0) - (parseTimestamp(issued_at) ?? 0);
  return life < HOUR || life > YEAR ? 'the manifest is valid for less than an hour or more than 365 days' : null;
}

function profileProblem(document: ManifestDocument): string | null {
  const { profile = null, unbound_artifacts: unbound = null, artifacts } = document;
  const bound = [
    ...ARTIFACTS.filter((name) => artifacts[name] != null),
    ...['delegation_chain', 'hitl_record'].filter((name) => document[name] != null),
  ];
  if (profile === null) {
    if (unbound !== null) return 'only a composition-only manifest names artifacts that it does not bind';
    const lacking = (['system_prompt', 'policy_bundle', 'model_identity'] as const).filter(
      (name) => artifacts[name] == null,
    );
    return lacking.length > 0 ? `the manifest does not bind ${lacking.join(', ')}` : null;
  }
  const declared = [...bound, ...(unbound ?? [])].sort();
  const exact = unbound !== null && unbound.length > 0 && declared.join() === [...BINDABLE].sort().join();
  return exact ? null : 'a composition-only manifest names each artifact once: as bound or as unbound';
}

function manifest(part: Part, issuerNeeded: boolean): Rule {
  const identity = { manifest_id: UUID7, agent_id: SPIFFE, issued_at: time, expires_at: time };
  const issuer: Members = { issuer: SPIFFE };
  const rest: Members = {
    '@context': text(),
    '@type': oneOf('AgentManifest'),
    previous_manifest_id: nullable(UUID7),
    agent_instance_id: nullable(UUID7),
    version: text(),
    min_verifier_version: nullable(text()),
    crypto_profile: oneOf('standard', 'post-quantum'),
    profile: nullable(oneOf('composition-only')),
    unbound_artifacts: nullable(list(oneOf(...BINDABLE))),
    attestation: nullable(openObject()),
    delegation_chain: nullable(list(delegationHop(part))),
    hitl_record: nullable(hitlRecord(part)),
    prior_transparency_log_entry: nullable(logEntry(part)),
    signature: nullable(signatureBlock(part)),
    transparency_log_entry: nullable(logEntry(part)),
    ...disclosures(part),
  };
  const needed = { ...identity, artifacts: part({}, artifactRules(part)) };
  return issuerNeeded ? object({ ...needed, ...issuer }, rest) : object(needed, { ...issuer, ...rest });
}

const ABRIDGED = manifest(abridged, false);
const WHOLE = manifest(whole, true);
