import type { JsonObject } from '../json/value.ts';

/** What kind of event an audit entry records (wire-formats section 7.1, contracts section 3). */
export type EntryType =
  | 'session_start'
  | 'session_end'
  | 'session_reset'
  | 'tool_call'
  | 'egress_denied'
  | 'fault'
  | 'mcp_request'
  | 'policy_load'
  | 'catalog_load'
  | 'catalog_drift'
  | 'break_glass_used'
  | 'recovered'
  | 'attestation_refresh'
  | 'approval'
  | 'gateway_event';

export type PolicyDecision = 'allow' | 'deny' | 'redact' | 'advisory_deny' | 'step_up' | 'defer' | 'fault' | 'n/a';

/**
 * One link of a hash chain. The first 23 members are the reference's; the rest are ours (contracts section 3). A verifier
 * hashes exactly the members it received, so an entry is also just a {@link JsonObject}. Only strings, safe integers,
 * nulls, and objects and arrays of these are ever emitted.
 */
export interface AuditEntry extends JsonObject {
  entry_id: string;
  sequence_number: number;
  timestamp_utc: string;
  session_id: string;
  call_id: string | null;
  entry_type: EntryType;
  tool_name: string | null;
  server_identity: string | null;
  policy_decision: PolicyDecision;
  policy_rule_matched: string | null;
  latency_us: number | null;
  request_payload_hash: string | null;
  response_payload_hash: string | null;
  /** The gravest that inspection came to. `not_inspected`: there was an answer, and no stage, or not every one, could look through it. */
  response_inspection_result:
    | 'pass'
    | 'size_exceeded'
    | 'schema_violation'
    | 'injection_detected'
    | 'surplus_stripped'
    | 'not_inspected'
    | 'n/a';
  session_sensitivity_before: string | null;
  session_sensitivity_after: string | null;
  detail: JsonObject | null;
  workflow_id: string | null;
  prev_entry_hash: string;
  evidence_class: 'hash-only' | 'tls-pinned' | 'spawn-measured' | 'spawn-unmeasured';
  external_execution_evidence: JsonObject | null;
  effective_data_class: string | null;
  entry_hash: string;
  action: string | null;
  caller: string | null;
  caller_source: string | null;
  on_behalf_of: string | null;
  policy_ids: string[];
  flow: JsonObject | null;
  digest_salt_ref: string | null;
}

/** The members that the chain itself fills in; everything else is the draft that a room hands to the log. */
export type ChainMembers =
  | 'entry_id'
  | 'sequence_number'
  | 'timestamp_utc'
  | 'session_id'
  | 'prev_entry_hash'
  | 'entry_hash';

/** An entry before it is linked: what happened, without its place in the chain. */
export type EntryDraft = {
  [K in keyof AuditEntry as string extends K ? never : K extends ChainMembers ? never : K]: AuditEntry[K];
};
