import { agentCommitment, type JsonObject } from '@cmcp/evidence';
import type { BoundManifest } from './bind.ts';

/** What session_start commits to of the session's agent: the claim's `agent_identity` is read back from it (contracts section 3). */
export function manifestCommitment(bound: BoundManifest | null, profile: 'none' | 'aarm'): JsonObject {
  return {
    ...(profile === 'none' ? {} : { conformance_profile: profile }),
    ...(bound === null
      ? {}
      : {
          ...agentCommitment(bound.identity),
          manifest_hash: bound.manifestHash,
          manifest_envelope: bound.envelope,
          manifest_catalog_form: bound.catalogForm,
          ...(bound.catalogTree === null ? {} : { manifest_catalog_tree: bound.catalogTree }),
        }),
  };
}
