import type { JsonObject } from '@cmcp/evidence';
import type { BoundManifest } from '../agent-manifest/bind.ts';
import { manifestCommitment } from '../agent-manifest/commitment.ts';
import { approvalCommitment } from '../approval/entry.ts';
import type { OwnStatement } from '../attestation/live.ts';
import type { Attestation } from '../attestation/types.ts';
import type { Authority } from '../authority.ts';
import { exceptionCommitment } from '../catalog/exception.ts';
import type { Config } from '../config/types.ts';
import { recordingOf } from '../recording/key.ts';
import { egressOfAll } from '../upstream/egress.ts';

/** What is known of one session when it begins. */
interface Opening {
  exposure: string;
  previousSession: string | null;
  prevClaimHash: string | null;
  /** null: its caller has none. */
  manifest: BoundManifest | null;
}

/** What a session_start entry commits to by name (contracts section 3): strings and integers, printable ASCII. */
export function commitment(
  config: Config,
  authority: Authority,
  attestation: Attestation,
  opening: Opening,
): JsonObject {
  return {
    cmcp_v: 1,
    bundle_hash: authority.policy.bundleHash,
    policy_version: authority.policy.version,
    policy_key: authority.policyKey ?? 'none',
    catalog_hash: authority.catalog.hash,
    ...exceptionCommitment(authority.catalog),
    ...approvalCommitment(authority.approvals),
    ...manifestCommitment(opening.manifest, config.profile),
    rules_hash: authority.inspection.hash,
    rules_version: authority.inspection.version,
    mode: config.mode,
    config_hash: config.hash,
    agents_hash: config.agentsHash,
    operators_hash: config.operatorsHash,
    approvers_hash: config.approversHash,
    egress_hash: authority.egress.digest,
    egress: egressOfAll(config, authority.catalog),
    measurement: attestation.gatewayMeasurement,
    launch_level: attestation.launchLevel,
    tls_spki: attestation.tlsSpki,
    trust_level: attestation.trustLevel,
    key_origin: 'process',
    durability: config.audit.durability,
    digests: config.audit.digests,
    decision_recording: recordingOf(config),
    isolation: 'single_tenant',
    rollback_protection: attestation.rollbackProtection,
    exposure: opening.exposure,
    previous_session: opening.previousSession ?? 'none',
    prev_claim_hash: opening.prevClaimHash ?? 'none',
  };
}

/** The same, as far as it is the same for all sessions, for whoever asks before there is one; `auditRoot` of the gateway's own chain. */
export function ownStatement(
  config: Config,
  { policy, catalog }: Authority,
  attestation: Attestation,
  auditRoot: string,
): OwnStatement {
  return {
    tls_spki: attestation.tlsSpki,
    measurement: attestation.gatewayMeasurement,
    launch_level: attestation.launchLevel,
    policy_hash: policy.bundleHash,
    catalog_hash: catalog.hash,
    mode: config.mode,
    // Anyone may ask: a digest with secrets in it would let weak ones be guessed.
    config_hash: config.portableHash,
    audit_root: auditRoot,
  };
}
