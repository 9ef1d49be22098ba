import { flag, integer, list, nullable, oneOf, type Rule, text, time } from '../shape.ts';
import { CLASSIFICATION, HASH, type Members, type Part, UUID7 } from './shapes.ts';

/** One delegation of authority. */
export function delegationHop(part: Part): Rule {
  const scope = part(
    {},
    {
      tools: list(text()),
      data_classifications: list(CLASSIFICATION),
      max_delegation_depth: integer(0),
      ttl_seconds: nullable(integer(1)),
      constraints: list(text()),
    },
  );
  return part(
    {
      hop: integer(0),
      principal_type: oneOf('human', 'system', 'agent'),
      principal_id: text(),
      delegated_at: time,
      scope_grant: scope,
      delegation_signature: text(),
    },
    { principal_manifest_id: nullable(UUID7), principal_attestation_hash: nullable(HASH) },
  );
}

/** What people have to approve, and their approvals. */
export function hitlRecord(part: Part): Rule {
  const scope = part(
    {
      artifacts: list(text()),
      risk_tier: oneOf('low', 'medium', 'high', 'critical'),
      approval_duration_seconds: integer(1),
    },
    { conditions: list(text()) },
  );
  const approval = part(
    {
      approval_id: UUID7,
      // A person approves; a SPIFFE id names a workload.
      approver_id: text(/^(?!spiffe:\/\/)/),
      approver_identity_type: oneOf('oidc', 'email', 'did'),
      approver_role: text(),
      approved_at: time,
      approved_scope: scope,
      approval_signature: text(),
      approval_method: oneOf('hardware-key', 'software-key', 'mfa-backed'),
      evidence_uri: text(),
    },
    { approver_oidc_issuer: nullable(text()) },
    ({ approver_identity_type, approver_oidc_issuer }) =>
      approver_identity_type === 'oidc' && !approver_oidc_issuer ? 'an OIDC identity names its issuer' : null,
  );
  const escalation = part(
    { timeout_action: oneOf('deny', 'suspend', 'alert') },
    { trigger: nullable(text()), escalation_target: nullable(text()) },
  );
  const runtime = part(
    {},
    {
      interrupt_endpoint: nullable(text()),
      override_mechanism: nullable(oneOf('kill-signal', 'suspend-and-hold', 'require-confirmation')),
      monitoring_endpoint: nullable(text()),
      automation_bias_disclosure: nullable(text()),
    },
  );
  return part(
    { required: flag },
    { approvals: list(approval), escalation_policy: nullable(escalation), hitl_runtime: nullable(runtime) },
  );
}

/** The detached signature of version 0.1. */
export function signatureBlock(part: Part): Rule {
  return part(
    {
      algorithm: oneOf('Ed25519', 'ML-DSA-65', 'hybrid-Ed25519-ML-DSA-65'),
      key_id: text(),
      key_type: oneOf('software', 'hsm', 'tee-sealed'),
      signed_at: time,
    },
    {
      signed_fields: list(text()),
      signature_value: nullable(text()),
      classical_signature: nullable(text()),
      pq_signature: nullable(text()),
    },
    ({ algorithm, signature_value, classical_signature, pq_signature }) => {
      const pair = Boolean(classical_signature) && Boolean(pq_signature);
      const single = Boolean(signature_value) && !classical_signature && !pq_signature;
      return (algorithm === 'hybrid-Ed25519-ML-DSA-65' ? pair : single)
        ? null
        : `the signatures are not those of ${algorithm}`;
    },
  );
}

/** An entry of a transparency log. */
export function logEntry(part: Part): Rule {
  return part({
    log_id: text(),
    log_index: integer(0),
    entry_uuid: text(),
    integrated_time: integer(0),
    inclusion_proof: part({ checkpoint: text(), hashes: list(text()), tree_size: integer(0) }),
  });
}

/** What the issuer declares about the agent's use and life. */
export function disclosures(part: Part): Members {
  return {
    log_retention: nullable(
      part(
        { minimum_retention_days: integer(1), retention_enforced_by: text() },
        { regulatory_retention_override: nullable(integer(1)) },
      ),
    ),
    data_scope: nullable(
      part(
        { automated_decision_making: flag },
        { personal_data_categories: list(text()), legal_basis: list(text()), dpia_reference: nullable(text()) },
      ),
    ),
    operational_lifecycle: nullable(
      part(
        { expected_lifetime_days: integer(1) },
        {
          planned_maintenance_schedule: nullable(text()),
          update_policy: nullable(text()),
          reissuance_triggers: list(text()),
        },
      ),
    ),
    intent: nullable(part({ statement: text(/./su) })),
    source_bundle: nullable(part({ format: oneOf('agent-plugins-1.0.0'), digest: HASH })),
  };
}
