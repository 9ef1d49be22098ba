import type { EntryDraft } from '@cmcp/evidence';

/** An entry in which nothing is said yet: every member that the format demands, absent ones null (wire-formats section 7.1). */
export function blankEntry(type: EntryDraft['entry_type'], action: string): EntryDraft {
  return {
    call_id: null,
    entry_type: type,
    tool_name: null,
    server_identity: null,
    policy_decision: 'n/a',
    policy_rule_matched: null,
    latency_us: null,
    request_payload_hash: null,
    response_payload_hash: null,
    response_inspection_result: 'n/a',
    session_sensitivity_before: null,
    session_sensitivity_after: null,
    detail: null,
    workflow_id: null,
    evidence_class: 'hash-only',
    external_execution_evidence: null,
    effective_data_class: null,
    action,
    caller: null,
    caller_source: null,
    on_behalf_of: null,
    policy_ids: [],
    flow: null,
    digest_salt_ref: null,
  };
}
