/** Parts of a session file that the answers of checks rest on, by the beginning of the id; the longest beginning counts. */
const BEHIND: readonly [id: string, parts: readonly string[]][] = [
  ['file.', []],
  ['file.entries', ['bundle.entries_file']],
  ['file.read', ['evidence']],
  ['file.policy', ['policy', 'claim.trace.policy.bundle_hash']],
  ['file.catalog', ['catalog', 'claim.gateway.catalog.hash']],
  ['claim.', ['claim']],
  ['claim.signature', ['claim', 'claim.signature', 'claim.trace.cnf.jwk']],
  ['claim.nonce', ['claim.trace.runtime.nonce', 'claim.trace.cnf.jwk', 'claim.gateway.audit_chain.root']],
  ['claim.number', ['claim.gateway.sequence_number', 'claim.gateway.prev_claim_hash']],
  ['bundle.signature', ['bundle.bundle_signature', 'bundle.entries', 'claim.trace.cnf.jwk']],
  ['chain.', ['bundle.entries']],
  ['chain.bounds', ['bundle.entries', 'claim.gateway.audit_chain']],
  ['chain.session', ['bundle.entries', 'bundle.session_id', 'claim.gateway.session_id']],
  ['chain.checkpoints', ['checkpoints', 'bundle.entries']],
  ['chain.extent', ['checkpoints', 'bundle.entries']],
  ['session.commitments', ['bundle.entries[0].detail', 'claim']],
  ['session.authority', ['bundle.entries', 'claim.trace.policy.bundle_hash', 'claim.gateway.catalog.hash']],
  ['store.rollback', ['bundle.entries[0].detail.rollback_protection']],
  ['transcript.', ['claim.trace.tool_transcript', 'bundle.entries']],
  ['summary.', ['claim.gateway.call_summary', 'bundle.entries']],
  ['summary.incidents', ['claim.gateway', 'bundle.entries']],
  ['calls.', ['bundle.entries']],
  ['approvals.', ['bundle.entries']],
  ['approvals.approvers', ['bundle.entries', 'bundle.entries[0].detail.approvers_hash']],
  ['receipt.', ['bundle.entries']],
  ['key.', ['claim.trace.cnf.jwk']],
  ['hardware.', ['claim.gateway.attestation_evidence', 'evidence']],
  ['hardware.key', ['claim.gateway.attestation_evidence', 'claim.trace.cnf.jwk']],
  ['hardware.chain', ['claim.gateway.attestation_evidence', 'evidence', 'bundle.entries[0]']],
  ['hardware.measurement', ['claim.gateway.attestation_evidence', 'claim.trace.runtime.measurement']],
  ['gateway.code', ['claim.gateway.attestation_evidence', 'evidence', 'claim.trace.runtime.measurement']],
  ['policy.hash', ['claim.trace.policy.bundle_hash', 'bundle.entries[0].detail.bundle_hash']],
  ['policy.mode', ['claim.trace.policy.enforcement_mode', 'bundle.entries[0].detail.mode']],
  ['policy.approval', ['bundle.entries[0].detail.policy_approval', 'claim.trace.policy.bundle_hash']],
  ['catalog.approval', ['bundle.entries[0].detail.catalog_approval', 'claim.gateway.catalog.hash']],
  ['policy.', []],
  ['catalog.hash', ['claim.gateway.catalog.hash', 'bundle.entries[0].detail.catalog_hash']],
  ['rules.hash', ['bundle.entries[0].detail.rules_hash']],
  ['catalog.exceptions', ['claim.gateway.catalog_exceptions', 'bundle.entries[0].detail.catalog_exceptions']],
  ['times.', ['claim.trace.iat', 'claim.gateway.attestation_generated_at', 'bundle.entries']],
  ['controller.', ['bundle.entries']],
  ['manifest.', ['claim.gateway.agent_identity']],
];

/** The parts of the file that the answer to a check rests on; none where it rests on what the relying party brought, or on nothing. */
export function partsBehind(id: string): string[] {
  let best: (typeof BEHIND)[number] | null = null;
  for (const row of BEHIND) {
    if (id.startsWith(row[0]) && row[0].length > (best?.[0].length ?? 0)) best = row;
  }
  return [...(best?.[1] ?? [])];
}
