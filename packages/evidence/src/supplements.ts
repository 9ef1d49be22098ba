import { textOf } from './audit/chain-entry.ts';
import type { ChainPass } from './audit/chain-pass.ts';
import type { WireClaim } from './claim/wire.ts';
import type { Expectations } from './expectations.ts';
import { informative, notChecked } from './finding.ts';
import { agentKey, manifestBinding } from './manifest/binding.ts';
import { verifyManifest } from './manifest/verify.ts';
import { checkExternalReceipts } from './receipts/verify.ts';
import type { Check } from './report.ts';
import { subjectOfJwk } from './revocation/subject.ts';
import { verifyRevocation } from './revocation/verify.ts';
import { verifyAnchor } from './transparency/verify.ts';

/** What the relying party brings beside its pins: receipts, the agent's manifest, revocations, an anchor. */
export async function supplements(claim: WireClaim, chain: ChainPass, expectations: Expectations): Promise<Check[]> {
  const { anchor, controllerKeys = [] } = expectations;
  const claimKey = claim.trace.cnf.jwk.x;
  return [
    ...(await checkExternalReceipts(chain.carriedReceipts.list, { keys: controllerKeys, claimKey })),
    ...(await chain.soughtActions.checks(claim, expectations)),
    ...(await manifestChecks(claim, chain, expectations)),
    ...(await revocationChecks(claim, expectations)),
    ...(anchor === undefined ? [] : verifyAnchor(claim, anchor.entry, anchor.proof)),
  ];
}

/** Whether the claim was made for the agent of the manifest that the relying party holds (wire-formats section 21.1, 5 and 5b). */
async function manifestChecks(claim: WireClaim, chain: ChainPass, { manifest, now }: Expectations): Promise<Check[]> {
  const { trace, gateway } = claim;
  if (manifest?.document === undefined) return agentUnchecked(gateway.agent_identity);
  const { document, ...context } = manifest;
  const policyHash = trace.policy.bundle_hash;
  const catalogHash = gateway.catalog.hash;
  // The catalog in the manifest's own form, which session_start commits to where the manifest binds that.
  const tree = textOf(chain.first?.detail ?? {}, 'manifest_catalog_tree');
  const catalogTree = tree === null ? {} : { toolCatalogTree: tree };
  const runtime = { policyBundle: policyHash, toolCatalog: catalogHash, ...catalogTree };
  const report = await verifyManifest(document, { ...context, at: now ?? trace.iat, runtime });
  const enforcementMode = trace.policy.enforcement_mode;
  const session = { policyHash, catalogHash, enforcementMode, ...(tree !== null && { catalogTree: tree }) };
  return [...manifestBinding(gateway.agent_identity, session, report), ...report.checks];
}

/** Who the agent was is the gateway's word, unless its manifest is at hand; what no gateway could know is refused all the same. */
function agentUnchecked(identity: WireClaim['gateway']['agent_identity']): Check[] {
  if (identity === undefined) return [];
  const named = notChecked(`the claim says ${identity.agent_id}; its manifest was not given`);
  return [informative('manifest.binding.identity', 'Was it the agent of this manifest?', named), ...agentKey(identity)];
}

async function revocationChecks(claim: WireClaim, { revocation, inclusion, now }: Expectations): Promise<Check[]> {
  const subject = subjectOfJwk(claim.trace.cnf.jwk);
  if (subject === null) return [];
  const logged = inclusion === undefined ? subject : { ...subject, inclusion };
  const { checks } = await verifyRevocation(logged, { ...revocation, now: now ?? claim.trace.iat });
  return checks;
}
