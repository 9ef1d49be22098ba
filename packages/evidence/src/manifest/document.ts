import type { JsonObject } from '../json/value.ts';

/** What a manifest binds under `artifacts`. */
export const ARTIFACTS = [
  'system_prompt',
  'policy_bundle',
  'tool_manifest',
  'model_identity',
  'rag_corpus',
  'memory_baseline',
  'decision_trace',
  'supply_chain',
] as const;
export type ArtifactName = (typeof ARTIFACTS)[number];

/** An Agent Manifest whose members have been checked (wire-formats section 16.1). What it may leave out, anything may leave out. */
export interface ManifestDocument extends JsonObject {
  manifest_id: string;
  agent_id: string;
  issued_at: string;
  expires_at: string;
  issuer?: string;
  version?: string;
  crypto_profile?: 'standard' | 'post-quantum';
  profile?: 'composition-only' | null;
  unbound_artifacts?: string[] | null;
  artifacts: ManifestArtifacts;
  attestation?: JsonObject | null;
  delegation_chain?: DelegationHop[] | null;
  hitl_record?: HitlRecord | null;
  intent?: JsonObject | null;
  log_retention?: { minimum_retention_days?: number } | null;
  signature?: SignatureBlock | null;
  transparency_log_entry?: JsonObject | null;
}

type ManifestArtifacts = {
  system_prompt?: { hash?: string; assurance_test?: { result?: string } | null } | null;
  policy_bundle?: { hash?: string; enforcement_mode?: string } | null;
  tool_manifest?: { catalog_hash?: string; tools?: ManifestTool[] } | null;
  model_identity?: { model_hash?: string | null; version?: string } | null;
  rag_corpus?: { merkle_root?: string; poisoning_scan?: { result?: string } } | null;
  memory_baseline?: { snapshot_hash?: string | null; approved_at?: string; ttl_seconds?: number | null } | null;
  decision_trace?: {
    audit_chain_root?: string;
    entry_count?: number | null;
    trace_type?: string;
    audit_key_sealed?: boolean;
  } | null;
  supply_chain?: { container_image_digest?: string } | null;
};

/** One tool as a manifest lists it. */
export type ManifestTool = {
  tool_id?: string;
  tool_name?: string;
  schema_hash?: string;
  description_hash?: string;
};

/** One delegation of authority (wire-formats section 16.5). */
export type DelegationHop = {
  hop?: number;
  principal_id?: string;
  principal_manifest_id?: string | null;
  principal_type?: string;
  delegated_at?: string;
  scope_grant?: ScopeGrant;
  delegation_signature?: string;
};

/** What is delegated: no `tools` means all of them, no `data_classifications` means none. */
export type ScopeGrant = {
  tools?: string[];
  data_classifications?: string[];
  max_delegation_depth?: number;
  ttl_seconds?: number | null;
  constraints?: string[];
};

type HitlRecord = {
  required?: boolean;
  approvals?: HitlApproval[];
};

/** A person's approval of the manifest (wire-formats section 16.6). */
export type HitlApproval = {
  approver_id?: string;
  approved_at?: string;
  approved_scope?: { risk_tier?: string; approval_duration_seconds?: number };
  approval_method?: string;
  approval_signature?: string;
};

type SignatureBlock = {
  algorithm?: string;
  key_id?: string;
  signature_value?: string | null;
  classical_signature?: string | null;
  pq_signature?: string | null;
};
