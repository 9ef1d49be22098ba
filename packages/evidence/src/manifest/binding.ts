import type { AgentIdentity } from '../claim/wire.ts';
import { sameDigest } from '../expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from '../finding.ts';
import type { Check } from '../report.ts';
import type { ManifestFacts, ManifestReport } from './report.ts';

/** What a claim says of its session that a manifest also speaks about. */
export interface BoundSession {
  /** `trace.policy.bundle_hash`. */
  policyHash: string;
  /** `gateway.catalog.hash`. */
  catalogHash: string;
  /** {@link catalogTree} of the catalog that has that hash, where the catalog itself is at hand. */
  catalogTree?: string;
  /** `trace.policy.enforcement_mode`. */
  enforcementMode: string;
}

/** How manifests call the modes of claims. */
const MODES = new Map([
  ['enforce', 'enforce'],
  ['advisory', 'advisory'],
  ['audit-only', 'silent'],
]);

/**
 * Whether a claim was made for the agent of a manifest: every member of its `agent_identity` recomputed from the manifest, and
 * policy, catalog and mode of the session compared with what the manifest binds (wire-formats section 21.1, checks 5 and 5b).
 *
 * @param identity `gateway.agent_identity`; undefined when the claim names no agent
 * @param report of the manifest, verified at the time that the claim speaks of, with the session's hashes as `runtime`
 */
export function manifestBinding(
  identity: AgentIdentity | undefined,
  session: BoundSession,
  report: ManifestReport,
): Check[] {
  const valid = required('manifest.valid', 'Is the agent manifest valid?', validity(report));
  if (identity === undefined) {
    const none = failed('the claim names no agent, so it was not made for the agent of this manifest');
    return [valid, required('manifest.binding.identity', 'Does the claim name an agent?', none)];
  }
  const { facts } = report;
  if (facts === null) {
    const none = failed('the manifest could not be read, so nothing in it stands behind the claim');
    return [valid, required('manifest.binding.identity', 'Is the claim about the agent of the manifest?', none)];
  }
  return [
    valid,
    ...identityChecks(identity, facts),
    ...sessionChecks(identity, session, facts),
    informative('manifest.binding.subject_source', 'How was the agent identified?', subjectSource(identity)),
    ...agentKey(identity),
  ];
}

/** Whether the manifest as a whole holds. */
export function validity({ result, summary, checks }: ManifestReport): Finding {
  if (result === 'VALID') return proven('the manifest is valid', 'the keys that were given for manifests');
  const detail = `the agent manifest is not valid: ${summary.replace(/\.$/, '')}`;
  const open = checks.find(({ required, outcome }) => required && outcome === 'not checked');
  return result === 'UNVERIFIABLE' ? notChecked(detail, open?.remedy ?? null) : failed(detail);
}

function identityChecks(identity: AgentIdentity, facts: ManifestFacts): Check[] {
  return [
    equal('manifest_id', 'Does the claim name this manifest?', identity.manifest_id, facts.manifest_id),
    equal('agent_id', 'Does the claim name its agent?', identity.agent_id, facts.agent_id),
    equal('subject', 'Was its agent the caller?', identity.authenticated_subject, facts.agent_id),
    equal('issuer', 'Does the claim name its issuer?', identity.issuer, facts.issuer),
    required('manifest.binding.issuer_key_id', 'Does the claim name the key that signed it?', signer(identity, facts)),
    required('manifest.binding.intent_hash', 'Does the claim name its intent?', intent(identity, facts)),
  ];
}

function signer({ issuer_key_id: named }: AgentIdentity, { issuer_key_ids, envelope }: ManifestFacts): Finding {
  const against = issuer_key_ids.join(', ') || null;
  // The reference leaves the key of an envelope empty.
  if (named === '' && envelope === 'cose')
    return proven('the claim leaves the key to the envelope, which names it', against);
  return issuer_key_ids.includes(named)
    ? proven(`the claim names ${named}`, against)
    : failed(`the claim names the key ${named || '(none)'}`, against);
}

function intent({ intent_hash: named }: AgentIdentity, { intent_hash: declared }: ManifestFacts): Finding {
  if (named === undefined) {
    return declared === null
      ? proven('neither the manifest nor the claim declares an intent')
      : asserted('the manifest declares an intent, and the claim does not name it', 'a claim that names the intent');
  }
  if (declared === null) return failed(`the claim names the intent ${named}, and the manifest declares none`);
  return sameDigest(named, declared)
    ? proven(`the claim names ${named}`, declared)
    : failed(`the claim names the intent ${named}`, declared);
}

function sessionChecks(identity: AgentIdentity, session: BoundSession, facts: ManifestFacts): Check[] {
  const { policy_bundle_hash: policy, tool_catalog_hash: catalog } = facts;
  return [
    equal('policy', 'Does the claim name the policy that it binds?', identity.policy_bundle_hash, policy, sameDigest),
    equal('policy_used', 'Did the session run under that policy?', session.policyHash, policy, sameDigest),
    equal('catalog', 'Does the claim name the catalog that it binds?', identity.tool_catalog_hash, catalog, sameDigest),
    required('manifest.binding.catalog_used', 'Did the session run with that catalog?', catalogUsed(session, facts)),
    required('manifest.binding.mode', 'Did the session run in the mode that it binds?', mode(session, facts)),
  ];
}

function catalogUsed({ catalogHash, catalogTree }: BoundSession, { tool_catalog_hash: bound }: ManifestFacts): Finding {
  if (bound === null) return failed('the manifest binds no catalog');
  if (sameDigest(catalogHash, bound)) return proven(`the session ran with ${catalogHash}`, bound);
  return catalogTree === bound
    ? proven(`the session ran with ${catalogHash}, whose tools have the Merkle root that is bound`, bound)
    : failed(`the session ran with ${catalogHash}`, bound);
}

function mode({ enforcementMode }: BoundSession, { policy_enforcement_mode: bound }: ManifestFacts): Finding {
  if (bound === null)
    return asserted('the manifest does not say in which mode the policy is to run', 'a manifest that says so');
  return MODES.get(bound) === enforcementMode
    ? proven(`the session ran in mode ${enforcementMode}`, bound)
    : failed(`the session ran in mode ${enforcementMode}`, bound);
}

function subjectSource({ subject_source: source }: AgentIdentity): Finding {
  if (source === 'svid') return asserted('the gateway says that the agent showed an SVID');
  if (source === 'config') return asserted('the gateway’s configuration names the agent');
  return asserted(
    'the gateway took the agent’s name from the manifest, as in development: nobody proved to be that agent',
  );
}

/** A key of the agent can only be named by a gateway that saw the agent use one. */
export function agentKey({ agent_key_thumbprint: named, subject_source: source }: AgentIdentity): Check[] {
  if (named === undefined) return [];
  const finding =
    source === 'svid'
      ? asserted(`the gateway says that the agent's key is ${named}`)
      : failed(`the claim names a key of the agent, and identified the agent by ${source}, without any key`);
  return [informative('manifest.binding.agent_key', 'Can the claim name the key of the agent?', finding)];
}

function equal(
  id: string,
  title: string,
  said: string,
  bound: string | null,
  same: (a: string, b: string) => boolean = Object.is,
): Check {
  const finding =
    bound === null
      ? failed('the manifest says nothing about it')
      : same(said, bound)
        ? proven(`the claim says ${said}`, bound)
        : failed(`the claim says ${said}`, bound);
  return required(`manifest.binding.${id}`, title, finding);
}
