import { flag, integer, list, nullable, oneOf, type Rule, text, time } from '../shape.ts';
import { parseTimestamp } from '../time.ts';
import { CLASSIFICATION, HASH, type Members, type Part, UUID7 } from './shapes.ts';

const SLSA_LEVEL = integer(1, 4);
/** Life of a memory baseline: an hour to 90 days. */
const MEMORY_TTL = integer(3_600, 7_776_000);

/** The rules of the artifacts that a manifest binds, by name (wire-formats section 16.1). */
export function artifactRules(part: Part): Members {
  return {
    system_prompt: nullable(systemPrompt(part)),
    policy_bundle: nullable(policyBundle(part)),
    tool_manifest: nullable(toolManifest(part)),
    model_identity: nullable(modelIdentity(part)),
    rag_corpus: nullable(ragCorpus(part)),
    memory_baseline: nullable(memoryBaseline(part)),
    decision_trace: nullable(decisionTrace(part)),
    supply_chain: nullable(supplyChain(part)),
  };
}

function toolManifest(part: Part): Rule {
  const tool = part(
    {
      tool_id: text(),
      tool_name: text(),
      endpoint_id: text(),
      schema_hash: HASH,
      description_hash: HASH,
      version: text(),
    },
    { permission_scope: nullable(text()), egress_destinations: list(text()) },
  );
  return part(
    {
      catalog_hash: HASH,
      tools: list(tool),
      rug_pull_policy: oneOf('deny-and-alert', 'deny-and-hold', 'require-reapproval'),
      bound_at: time,
    },
    { allow_dynamic_registration: flag },
  );
}

function systemPrompt(part: Part): Rule {
  const assurance = part(
    {
      suite_id: text(),
      suite_version: text(),
      harness_version: text(),
      result: oneOf('passed', 'flagged', 'not-assessed'),
    },
    {
      assessed_at: nullable(time),
      scenario_count: nullable(integer(1)),
      evidence_uri: nullable(text()),
      evidence_digest: nullable(HASH),
      assessed_by: nullable(text()),
    },
    ({ result, assessed_at = null }) =>
      result !== 'not-assessed' && assessed_at === null ? 'an assessment says when it was made' : null,
  );
  return part(
    { hash: HASH, version: text(), classification: CLASSIFICATION, bound_at: time },
    {
      hash_algorithm: text(),
      language: nullable(text()),
      safety_level: nullable(text()),
      assurance_test: nullable(assurance),
    },
  );
}

function policyBundle(part: Part): Rule {
  return part(
    {
      hash: HASH,
      policy_language: oneOf('cedar', 'rego', 'yaml-agt', 'composite'),
      version: text(),
      enforcement_mode: oneOf('enforce', 'advisory', 'audit-only'),
      bound_at: time,
    },
    { scope: list(text()), agt_version: nullable(text()) },
    ({ policy_language, agt_version = null }) =>
      (policy_language === 'yaml-agt' || policy_language === 'composite') && agt_version === null
        ? `a policy in ${policy_language} names its agt_version`
        : null,
  );
}

function modelIdentity(part: Part): Rule {
  return part(
    {
      provider: text(),
      model_id: text(),
      version: text(),
      deployment_type: oneOf('api', 'local', 'confidential-inference', 'third-party-api'),
      model_attestation_type: oneOf('hash-bound', 'provider-asserted'),
      bound_at: time,
    },
    {
      capability_level: nullable(text()),
      safety_alignment_version: nullable(text()),
      quantization: text(),
      model_hash: nullable(HASH),
    },
    ({ deployment_type, model_hash = null, model_attestation_type }) => {
      const remote = deployment_type === 'api' || deployment_type === 'third-party-api';
      if (remote === (model_hash !== null)) return `model_hash does not go with deployment_type ${deployment_type}`;
      const fitting = remote ? 'provider-asserted' : 'hash-bound';
      return model_attestation_type === fitting ? null : `model_attestation_type should be ${fitting}`;
    },
  );
}

function memoryBaseline(part: Part): Rule {
  return part(
    {
      baseline_id: UUID7,
      memory_type: oneOf('none', 'session', 'persistent', 'shared'),
      store: text(),
      approved_at: time,
      drift_policy: oneOf('deny-on-drift', 'alert-on-drift', 'log-only'),
      bound_at: time,
    },
    {
      snapshot_hash: nullable(HASH),
      ttl_seconds: nullable(MEMORY_TTL),
      shared_memory_owner: nullable(UUID7),
      check_interval_seconds: nullable(integer(1)),
    },
    ({ memory_type, snapshot_hash = null, ttl_seconds = null, shared_memory_owner = null }) => {
      if ((memory_type === 'none') !== (snapshot_hash === null))
        return `snapshot_hash does not go with memory_type ${memory_type}`;
      const lasting = memory_type === 'persistent' || memory_type === 'shared';
      if (lasting && ttl_seconds === null) return `memory of type ${memory_type} has a ttl_seconds`;
      return (memory_type === 'shared') === (shared_memory_owner !== null)
        ? null
        : `shared_memory_owner does not go with memory_type ${memory_type}`;
    },
  );
}

function ragCorpus(part: Part): Rule {
  const scan = part(
    { result: oneOf('clean', 'flagged', 'not-scanned') },
    { scanner_version: nullable(text()), scanned_at: nullable(time) },
  );
  return part({
    corpus_id: text(),
    merkle_root: HASH,
    document_count: integer(0),
    ingestion_policy_hash: HASH,
    vector_store: text(),
    embedding_model: text(),
    last_updated: time,
    poisoning_scan: scan,
    bound_at: time,
  });
}

function decisionTrace(part: Part): Rule {
  return part(
    {
      trace_type: oneOf('hash-chained', 'merkle-log'),
      audit_chain_root: HASH,
      audit_chain_uri: text(),
      signing_key_id: text(),
      audit_key_sealed: flag,
      first_entry_at: time,
      last_entry_at: time,
      bound_at: time,
    },
    { entry_count: nullable(integer(0)) },
    ({ first_entry_at, last_entry_at }) =>
      (parseTimestamp(String(first_entry_at)) ?? 0) > (parseTimestamp(String(last_entry_at)) ?? 0)
        ? 'the first entry is later than the last'
        : null,
  );
}

function supplyChain(part: Part): Rule {
  const sbom = part({
    format: oneOf('cyclonedx', 'spdx'),
    schema_version: text(),
    document_id: text(),
    sbom_hash: HASH,
    sbom_uri: text(),
  });
  const provenance = part(
    { builder_id: text(), subject_digest: HASH, provenance_uri: text() },
    { rekor_entry_id: nullable(text()), declared_level: nullable(SLSA_LEVEL) },
  );
  const server = part(
    { server_id: text(), image_digest: HASH, slsa_level: SLSA_LEVEL },
    { phase2_attested: flag, sbom: nullable(sbom) },
  );
  return part(
    { container_image_digest: HASH, bound_at: time },
    {
      base_image_digest: nullable(HASH),
      slsa_provenance: nullable(provenance),
      sbom: nullable(sbom),
      mcp_servers: list(server),
    },
  );
}
