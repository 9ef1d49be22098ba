import { encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { digest, sha256 } from '../crypto/sha256.ts';
import type { Check } from '../report.ts';
import type { HitlResult } from './approvals.ts';
import { type ArtifactResults, NOTHING_BOUND } from './artifacts.ts';
import { catalogTree } from './catalog-tree.ts';
import type { DelegationResult } from './delegation.ts';
import type { ManifestDocument } from './document.ts';
import { manifestBytes } from './preimage.ts';
import type { ManifestResult } from './stage.ts';

/** The answer to {@link verifyManifest}. */
export interface ManifestReport {
  result: ManifestResult;
  /** One sentence for a person. */
  summary: string;
  /** A trusted key made every signature of it. */
  signature_verified: boolean;
  /** The attestation in it names it. Says nothing about the report behind the attestation. */
  attestation_verified: boolean;
  fields: ArtifactResults;
  delegation: DelegationResult;
  hitl: HitlResult;
  checks: Check[];
  /** What the manifest says; null when it could not be read. True only where `signature_verified` is. */
  facts: ManifestFacts | null;
}

/** What a manifest says about its agent. */
export interface ManifestFacts {
  manifest_id: string;
  agent_id: string;
  issuer: string | null;
  version: string | null;
  envelope: 'json' | 'cose';
  issued_at: string;
  expires_at: string;
  /** The key that signed it, as it names it; the first where there are several. */
  issuer_key_id: string | null;
  issuer_key_ids: string[];
  policy_bundle_hash: string | null;
  policy_enforcement_mode: string | null;
  tool_catalog_hash: string | null;
  /** Which form of the running catalog's hash that is; null when it was not compared, or neither. */
  catalog_form: 'flat' | 'merkle' | null;
  /** Whether that is the Merkle root over the tools that the manifest itself lists. */
  catalog_is_tree_of_tools: boolean;
  /** `sha256:` over the canonical form of the intent (wire-formats section 16.6). */
  intent_hash: string | null;
  /** What a hardware attestation of this manifest names. */
  manifest_hash: string;
  /** Hex of the nonce that runtime evidence has to carry to answer the challenge that was given. */
  runtime_nonce: string | null;
}

/** The parts of a report that are known only when verification got that far. */
export type Known = Partial<Omit<ManifestReport, 'result' | 'summary' | 'checks'>>;

/** Puts a report together. What verification did not get to is as if nothing had been bound, delegated or approved. */
export function manifestReport(result: ManifestResult, checks: Check[], known: Known): ManifestReport {
  return {
    result,
    summary: summaryOf(result, checks),
    signature_verified: false,
    attestation_verified: false,
    fields: { ...NOTHING_BOUND },
    delegation: 'NOT_PRESENT',
    hitl: 'NOT_REQUIRED',
    facts: null,
    ...known,
    checks,
  };
}

function summaryOf(result: ManifestResult, checks: readonly Check[]): string {
  if (result === 'VALID')
    return 'Valid: a trusted key signed the manifest, and nothing that was compared contradicts it.';
  const reason =
    checks.find(({ outcome }) => outcome === 'failed') ??
    checks.find(({ required, outcome }) => required && outcome === 'not checked');
  return `${result}: ${reason?.detail ?? 'not all that the manifest binds was compared'}.`;
}

/** What verification adds to what a manifest says of itself. */
interface Circumstances {
  envelope: 'json' | 'cose';
  keyIds: readonly string[];
  catalogForm: 'flat' | 'merkle' | null;
  manifestHash: string;
  challenge: Uint8Array | undefined;
}

export function factsOf(document: ManifestDocument, circumstances: Circumstances): ManifestFacts {
  const { keyIds, challenge } = circumstances;
  const { policy_bundle: policy, tool_manifest: tools } = document.artifacts;
  return {
    manifest_id: document.manifest_id,
    agent_id: document.agent_id,
    issuer: document.issuer ?? null,
    version: document.version ?? null,
    envelope: circumstances.envelope,
    issued_at: document.issued_at,
    expires_at: document.expires_at,
    issuer_key_id: keyIds[0] ?? null,
    issuer_key_ids: [...keyIds],
    policy_bundle_hash: policy?.hash ?? null,
    policy_enforcement_mode: policy?.enforcement_mode ?? null,
    tool_catalog_hash: tools?.catalog_hash ?? null,
    catalog_form: circumstances.catalogForm,
    catalog_is_tree_of_tools: tools != null && ownTree(tools) === tools.catalog_hash,
    intent_hash: document.intent == null ? null : digest(manifestBytes(document.intent)),
    manifest_hash: circumstances.manifestHash,
    runtime_nonce: challenge === undefined || challenge.length < 16 ? null : encodeHex(runtimeNonce(challenge)),
  };
}

/** The nonce by which runtime evidence answers a challenge; not the challenge itself, so that neither can pass for the other. */
function runtimeNonce(challenge: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(...encodeUtf8('am-runtime-nonce'), ...challenge));
}

/** The Merkle root over the tools that a manifest lists; null when it does not say all that a leaf is made of. */
function ownTree({ tools = [] }: NonNullable<ManifestDocument['artifacts']['tool_manifest']>): string | null {
  const leaves = tools.flatMap(({ tool_id, schema_hash, description_hash }) =>
    tool_id !== undefined && isSha256(schema_hash) && isSha256(description_hash)
      ? [{ tool_id, schema_hash, description_hash }]
      : [],
  );
  return leaves.length < tools.length ? null : catalogTree(leaves);
}

function isSha256(hash: string | undefined): hash is string {
  return hash?.startsWith('sha256:') === true;
}
