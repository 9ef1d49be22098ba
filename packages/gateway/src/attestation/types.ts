import type { GatewayComponents } from '@cmcp/evidence';

/** The providers that a configuration may name, strongest first. */
export const PROVIDERS = ['sev-snp', 'tdx', 'azure-cvm', 'tpm', 'software-only'] as const;
export type ProviderKind = (typeof PROVIDERS)[number];

/**
 * What looking for a platform found, in plain words. Looking asks for no evidence and leaves nothing behind: it reads what a TPM says
 * of itself, and makes and removes one empty entry of the kernel's report interface.
 */
export interface Detection {
  kind: ProviderKind;
  available: boolean;
  /** What is there, or what lacks. */
  reason: string;
  /** How to make it available; null when it is, or when nothing on this machine could. */
  remedy: string | null;
}

/** What a provider can do besides collecting evidence. */
export interface Capabilities {
  /** A 32-byte digest can be recorded in a register that only a restart of the machine resets. */
  runtimeExtend: boolean;
  /** Secrets can be sealed to the state of the machine. */
  sealing: boolean;
  /** There is a counter that survives the restoring of a disk. */
  rollbackCounter: boolean;
}

/** One item of evidence that travels beside the claim in the session file (contracts section 6). */
export interface EvidenceFile {
  /** `<kind>/<role>` as the verifier reads it. */
  role: string;
  media_type: string;
  /** Base64 (RFC 4648 section 4). */
  data: string;
}

/** Evidence about this machine that carries 64 bytes (wire-formats sections 10 and 11). Plain values: it is stored and crosses threads. */
export interface CollectedEvidence {
  /** The claim's `trace.runtime.platform`, such as `tpm2`. */
  platform: string;
  /** The claim's `trace.runtime.measurement` (wire-formats section 11.1). */
  measurement: string;
  firmwareVersion: string | null;
  /** The claim's `gateway.attestation_evidence`, each base64. */
  evidence: { raw_evidence?: string; quote_signature?: string; cert_chain?: string; ek_cert_chain?: string };
  beside: EvidenceFile[];
}

/** Evidence for a live connection: files by the roles of `cmcp evidence verify` (attestation.md section 9.3). */
export interface LiveEvidence {
  kind: 'sev-snp' | 'tdx' | 'azure-cvm' | 'tpm';
  files: Record<string, Uint8Array<ArrayBuffer>>;
}

/** A register that the launch of the gateway is recorded in. */
export interface LaunchRegister {
  /** Such as `PCR 13` or `RTMR 3`. */
  name: string;
  /** Lower-case hex. */
  value: string;
  /** What it holds after one extension of its initial value with `digest` (32 bytes), lower-case hex. */
  after(digest: Uint8Array): string;
}

/**
 * What vouches for the machine. Opened once at start, used from one place: a device answers one question at a time. Every promise
 * rejects with GatewayError ATTESTATION_FAILED, in bounded time, when the platform does not do what it should.
 */
export interface EvidenceProvider {
  readonly kind: Exclude<ProviderKind, 'software-only'>;
  readonly capabilities: Capabilities;
  /** The platform says of itself that it is a program. */
  readonly isSoftware?: boolean;
  /**
   * Fresh evidence that carries each of `bound` (64 bytes each), in order. One operation of the device may stand for all of them.
   * What the device returns was compared with what was asked before this resolves.
   */
  collect(bound: readonly Uint8Array[], signal?: AbortSignal): Promise<CollectedEvidence[]>;
  /** Fresh evidence that carries the 64 bytes of a live statement; a TPM carries their SHA-256. */
  collectLive(statement: Uint8Array, signal?: AbortSignal): Promise<LiveEvidence>;
  /** The register that a measured launch records the gateway in; null where the platform has none. */
  launchRegister(): Promise<LaunchRegister | null>;
  /** Records 32 bytes in that register. Only a restart of the machine undoes it. */
  extend(digest: Uint8Array): Promise<void>;
  /**
   * Records what the gateway is made of where it outlives restarts, for the key with this thumbprint (32 bytes); evidence that is
   * collected later carries the record. It shows continuity and proves nothing about code. A platform that has no place for it, or
   * refuses, reports so: this never rejects for that. Absent: the platform has none.
   */
  recordGateway?(components: GatewayComponents, thumbprint: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Lets go of the device. Idempotent. */
  close(): Promise<void>;
}

/**
 * On whose word the evidence of this gateway rests (contracts section 4), by its own verification of its own evidence: `hardware`
 * needs a pin that ships with the product; `unverified` has evidence that ends in no root known here, and is for dev mode.
 */
export type TrustLevel = (typeof TRUST_LEVELS)[number];
export const TRUST_LEVELS = ['hardware', 'operator-root', 'software-tpm', 'unverified', 'software'] as const;

/** How the code came to be measured (attestation.md section 10). ML0: the gateway measured itself, which proves nothing to others. */
export type LaunchLevel = 'ML0' | 'ML1' | 'ML2' | 'ML3';

/** What the gateway can say of the platform it runs on, and of itself. Known at start, before the first session. */
export interface Attestation {
  /** The claim's `trace.runtime.platform`. */
  platform: string;
  trustLevel: TrustLevel;
  launchLevel: LaunchLevel;
  /** `sha256:…` over everything that the process can load. */
  gatewayMeasurement: string;
  /** SHA-256 of the TLS key's SubjectPublicKeyInfo, `sha256:…`, or `none`. */
  tlsSpki: string;
  rollbackProtection: 'none' | 'tpm-nv' | 'witness';
}
