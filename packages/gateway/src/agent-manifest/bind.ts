import {
  type AgentIdentity,
  type BoundSession,
  type Check,
  type JsonObject,
  type ManifestReport,
  manifestBinding,
  parseTimestamp,
  verifyManifest,
} from '@cmcp/evidence';
import { isPrintable } from '../audit/drafts.ts';
import type { Authority } from '../authority.ts';
import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Mode } from '../policy/types.ts';
import { approvedTree } from './catalog-tree.ts';
import type { AgentManifest } from './load.ts';
import { type AgentManifests, type Identified, isFlat, scopeUnder } from './manifests.ts';
import type { IntentScope } from './scope.ts';

/** The manifest that a session is bound to. */
export interface BoundManifest {
  /** What the claim says of it. */
  identity: AgentIdentity;
  /** `sha256:…` of what was signed. */
  manifestHash: string;
  envelope: 'json' | 'cose';
  catalogForm: 'flat' | 'merkle';
  /** The root in the `merkle` form; null in the other. */
  catalogTree: string | null;
  /** When it is in force, and no delegation in it has ended; microseconds since the epoch. */
  from: number;
  until: number;
  scope: IntentScope;
}

/** What a session is bound under. */
export interface Binding {
  authority: Pick<Authority, 'manifests' | 'policy' | 'catalog' | 'base'>;
  mode: Mode;
  nowMicros: number;
  /** Told of a refusal before it is thrown: `detail` is for the chain, `why` for operators. */
  refused: (caller: Caller, detail: JsonObject, why: string) => Promise<void>;
}

const MODES: Readonly<Record<Mode, string>> = { enforcing: 'enforce', advisory: 'advisory', silent: 'silent' };

/** Of an issuer's name in entries. The format allows no longer SPIFFE ID. */
const MAX_NAME = 2_048;

/**
 * The caller's manifest, verified for this session (D-45): signature, issuer, time, revocation, delegation, and whether policy,
 * catalog and mode are those that it binds. It holds only where a verifier would later find the same of the claim. Null for a caller
 * without a manifest, where the profile asks for none.
 *
 * @throws GatewayError MANIFEST_REFUSED
 */
export async function bindManifest(binding: Binding, caller: Caller): Promise<BoundManifest | null> {
  const { manifests } = binding.authority;
  const found = manifests.of(caller);
  if (found === null) {
    if (!manifests.required) return null;
    return await refuse(binding, caller, null, new Unbound('none', 'the caller has no manifest'));
  }
  try {
    return await judge(binding, caller, found);
  } catch (error) {
    if (error instanceof Unbound) return await refuse(binding, caller, found.manifest, error);
    throw error;
  }
}

/** Why a manifest does not bind: the check that failed, and its words. */
class Unbound extends Error {
  readonly check: string;

  constructor(check: string, why: string) {
    super(why);
    this.check = check;
  }
}

async function refuse(
  { refused }: Binding,
  caller: Caller,
  manifest: AgentManifest | null,
  { check, message }: Unbound,
): Promise<never> {
  const named = manifest === null ? {} : { manifest_id: manifest.facts.manifest_id };
  const why = manifest === null ? message : `${manifest.file}: ${message}`;
  await refused(caller, { ...named, check }, why);
  throw new GatewayError('MANIFEST_REFUSED', why);
}

async function judge(
  { authority, mode, nowMicros }: Binding,
  caller: Caller,
  { identified, manifest }: { identified: Identified; manifest: AgentManifest },
): Promise<BoundManifest> {
  const { manifests, policy, catalog, base } = authority;
  const flat = isFlat(manifest, catalog);
  const tree = flat ? null : approvedTree(base.catalog.tools, manifest.scope);
  const trees = tree === null ? {} : { toolCatalogTree: tree };
  const report = await verifyManifest(manifest.bytes, {
    at: nowMicros / 1e6,
    ...(await trustOf(manifests)),
    runtime: { policyBundle: policy.bundleHash, toolCatalog: catalog.hash, ...trees },
  });
  const { facts } = report;
  if (report.result !== 'VALID' || facts === null) throw unboundBy(report);
  const identity = identityOf(caller, identified, facts);
  requireAgreement(identity, report, {
    policyHash: policy.bundleHash,
    catalogHash: catalog.hash,
    ...(tree === null ? {} : { catalogTree: tree }),
    enforcementMode: MODES[mode],
  });
  const { from, until } = timesOf(manifest);
  if (nowMicros >= until) throw new Unbound('manifest.delegation_time', 'the time of a delegation is over');
  return {
    identity,
    manifestHash: facts.manifest_hash,
    envelope: facts.envelope,
    catalogForm: flat ? 'flat' : 'merkle',
    catalogTree: tree,
    ...{ from, until },
    scope: scopeUnder(manifest, catalog),
  };
}

async function trustOf({ keys, delegationKeys, revocations }: AgentManifests) {
  if (revocations === null) return { keys, delegationKeys };
  try {
    return { keys, delegationKeys, revocations: await revocations.records() };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new Unbound('manifest.revocation', error.detail);
  }
}

/** The check that a report was decided by. */
function unboundBy({ result, summary, checks }: ManifestReport): Unbound {
  const check =
    checks.find(({ outcome }) => outcome === 'failed') ??
    checks.find(({ required, outcome }) => required && outcome === 'not checked');
  return new Unbound(check?.id ?? result, summary);
}

function identityOf(
  caller: Caller,
  { subject, source }: Identified,
  facts: NonNullable<ManifestReport['facts']>,
): AgentIdentity {
  const issuer = facts.issuer ?? '';
  if (!isPrintable(issuer) || issuer.length > MAX_NAME)
    throw new Unbound('manifest.issuer', 'the issuer is not named in printable ASCII of at most 2048 characters');
  return {
    manifest_id: facts.manifest_id,
    agent_id: facts.agent_id,
    authenticated_subject: subject,
    subject_source: source,
    issuer,
    issuer_key_id: facts.issuer_key_id ?? '',
    policy_bundle_hash: facts.policy_bundle_hash ?? '',
    tool_catalog_hash: facts.tool_catalog_hash ?? '',
    ...(facts.intent_hash === null ? {} : { intent_hash: facts.intent_hash }),
    ...(source === 'svid' && caller.keyThumbprint !== undefined ? { agent_key_thumbprint: caller.keyThumbprint } : {}),
  };
}

/** The verifier's own questions about the claim that this session will have. */
function requireAgreement(identity: AgentIdentity, report: ManifestReport, session: BoundSession): void {
  const open = manifestBinding(identity, session, report).find(
    ({ required, outcome }: Check) => outcome === 'failed' || (required && outcome !== 'proven'),
  );
  if (open !== undefined) throw new Unbound(open.id, open.detail);
}

/** In force and delegated, in microseconds. */
function timesOf({ facts, scope }: AgentManifest): { from: number; until: number } {
  const expires = parseTimestamp(facts.expires_at) ?? 0;
  const delegated = scope.delegatedUntil === null ? expires : scope.delegatedUntil * 1e6;
  return { from: parseTimestamp(facts.issued_at) ?? Number.POSITIVE_INFINITY, until: Math.min(expires, delegated) };
}
