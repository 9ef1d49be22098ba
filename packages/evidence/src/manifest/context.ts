import type { ManifestKey } from './keys.ts';
import type { RevocationRecord } from './revocation.ts';

/** What really runs, as the relying party measured it. What is left out is not compared. */
export interface RuntimeArtifacts {
  /** `sha256:…`, as all hashes here. */
  systemPrompt?: string;
  policyBundle?: string;
  /** Flat hash of the catalog (wire-formats section 6.2). */
  toolCatalog?: string;
  /** The same catalog as a Merkle root: see {@link catalogTree}. A manifest names either. */
  toolCatalogTree?: string;
  modelVersion?: string;
  ragCorpus?: string;
  memorySnapshot?: string;
  auditChainRoot?: string;
  /** Evidence that the chain which runs extends the one that the manifest names. */
  auditChainContinuity?: AuditChainContinuity;
  containerImage?: string;
}

/** How an audit chain grew between the root that a manifest names and the root that runs. Hashes are bare lower-case hex. */
export interface AuditChainContinuity {
  signedTreeSize: number;
  currentTreeSize: number;
  signedSeq: number;
  currentSeq: number;
  /** Seconds since the epoch; left out: now. */
  observedAt?: number;
  ttlSeconds?: number;
  /** RFC 9162 consistency proof, for a `merkle-log`. */
  consistencyProof?: readonly string[];
  /** Leaf hashes that were appended, in order, for a `hash-chained` trace. */
  appendedEntryLeaves?: readonly string[];
}

/** What the relying party brings to a manifest. Nothing of it comes from the manifest. */
export interface ManifestContext {
  /** The verifier's clock, seconds since the epoch. */
  at: number;
  /** Keys that manifests may be signed with; without any, a manifest is UNVERIFIABLE. */
  keys: readonly ManifestKey[];
  runtime?: RuntimeArtifacts;
  /** Manifest ids that the relying party itself holds as revoked. */
  revoked?: readonly string[];
  /** A published revocation list: {@link readRevocations}. */
  revocations?: readonly RevocationRecord[];
  /** Keys that may sign revocations; left out: `keys`. */
  revocationKeys?: readonly ManifestKey[];
  /** Raw Ed25519 public key (base64url) of each delegating principal. */
  delegationKeys?: Readonly<Record<string, string>>;
  /** Raw Ed25519 public key (base64url) of each approver; left out: approvals are not authenticated. */
  approverKeys?: Readonly<Record<string, string>>;
  /** A bound artifact whose runtime value is not given makes the result INCOMPLETE. */
  strictArtifacts?: boolean;
  enforceHitl?: boolean;
  enforceAttestation?: boolean;
  requireDelegation?: boolean;
  /** Conformance level of manifests that the relying party asks for: 0 to 3 (wire-formats section 16.8). */
  conformanceLevel?: number;
  /** Challenge that runtime evidence must answer; one of less than 16 bytes can be guessed, and gets no answer. */
  challenge?: Uint8Array;
}
