import type { ProvenanceKind } from '@cmcp/evidence';
import type { TpmAddress } from '../attestation/tpm/api.ts';
import type { LaunchLevel, ProviderKind } from '../attestation/types.ts';
import type { Mode } from '../policy/types.ts';
import type { CredentialSettings } from '../upstream/credential/types.ts';
import type { AgentManifestConfig } from './agent-manifest.ts';
import type { ApprovalConfig } from './approval.ts';
import type { ApprovalsConfig } from './approvals.ts';
import type { ClaimConfig } from './claim.ts';
import type { IdentityConfig } from './identity.ts';
import type { RateConfig } from './limits.ts';
import type { OperatorConfig } from './operator.ts';
import type { StopConfig } from './stop.ts';

/** The whole configuration with defaults applied, paths absolute, durations in milliseconds. */
export interface Config {
  /** Absolute path of the file, for messages. */
  file: string;
  /** SHA-256 digest of the effective configuration (secrets are digests already). */
  hash: string;
  /**
   * The same on every machine with the same file: without paths, and with secrets as they are written, so that a `${NAME}` enters and
   * its value does not. The `settings` of the gateway measurement.
   */
  portableHash: string;
  /** Digests over the agents' and the operators' credentials, and over who approves, each alone, so that a change of one shows by name (contracts section 3). */
  agentsHash: string;
  operatorsHash: string;
  approversHash: string;
  dev: boolean;
  listen: { host: string; port: number };
  allowedHosts: string[];
  allowedOrigins: string[];
  dataDir: string;
  mode: Mode;
  /**
   * `key`: JWK member `x` of the Ed25519 key that signs bundles. `approval`: the reviewers who must have approved it; null: none are asked for.
   */
  policy: { path: string; pin: string | null; key: string | null; approval: ApprovalConfig | null };
  catalog: {
    path: string;
    pin: string | null;
    /** How old a comparison of a server with the catalog may be. */
    recheckMs: number;
    /** A label of the vocabulary: calls of its rank or a higher one compare their server anew; null: none does. */
    recheckAbove: string | null;
    approval: ApprovalConfig | null;
    /** The weakest provenance record that a server may have; null: it needs none. */
    requiredKind: ProvenanceKind | null;
  };
  /** Those of the configuration, then those of the file. */
  agents: AgentCredential[];
  /** Absolute path of a file with agents that may change while the gateway runs, and the agents that are not in it; null: there is none. */
  agentsFile: { path: string; beside: AgentCredential[] } | null;
  /** Who may call besides those. */
  identity: IdentityConfig;
  claim: ClaimConfig;
  /** Subject of the one caller of `cmcp start --stdio`. */
  stdioSubject: string | null;
  operator: OperatorConfig;
  approvals: ApprovalsConfig;
  attestation: AttestationConfig;
  /** null: plain HTTP, on loopback only. */
  tls: TlsConfig | null;
  audit: { durability: 'strict' | 'batched'; digests: 'salted' | 'plain' };
  sessions: {
    idleMs: number;
    maxAgeMs: number;
    carryOverMs: number;
    reevaluateMs: number;
    maxOpen: number;
    startsPerMinute: number;
  };
  limits: {
    bodyBytes: number;
    depth: number;
    responseBytes: number;
    upstreamTimeoutMs: number;
    /** Calls that one server is sent at once. */
    upstreamConcurrency: number;
    /** Milliseconds that a client has to answer what a server asks. */
    inputTimeoutMs: number;
    /** What each caller, tool, session or server may use. */
    rates: RateConfig[];
  };
  /** What is stopped without an operator. */
  stop: StopConfig;
  /** Extra labels: label → rank ≥ 0. Built-ins win. */
  vocabulary: Record<string, number>;
  /** `path`: absolute path of the operator's rules and settings; null: the built-in ones. */
  inspection: { path: string | null; quarantine: QuarantineConfig; classifier: ClassifierConfig | null };
  /** Per server id: secrets and limits. */
  upstreams: Record<string, ServerConfig>;
  /** `host:port` of everywhere that the gateway may connect to; null: what the catalog and the credentials need. */
  egress: { allow: string[] | null };
  /** Where decisions are recorded, sealed to an X25519 public key (base64url); null: they are not. */
  recordDecisions: { folder: string; key: string } | null;
  /** What sessions are bound to; null: to no manifest. */
  agentManifest: AgentManifestConfig | null;
  /** `aarm`: aligned with AARM v1.0, so that no agent without a manifest has a session. */
  profile: 'none' | 'aarm';
  /** Emits the reference's `_cmcp` object and status codes. */
  compat: 'none' | 'cmcp-0.4';
}

/** What is kept of answers that an operator may release, and how long. */
export type QuarantineConfig = { keepMs: number; maxItems: number; maxBytes: number };

/** The operator's own judge of texts, and what becomes of an answer that it has not judged. */
export interface ClassifierConfig {
  url: string;
  timeoutMs: number;
  onFailure: 'deny' | 'flag';
  headers: Record<string, string>;
}

/** What the config says of one server of the catalog. Paths of files are absolute. */
export interface ServerConfig {
  env: Record<string, string>;
  headers: Record<string, string>;
  timeoutMs: number | null;
  /** The private authority of an HTTPS server. */
  ca: string | null;
  /** What the gateway shows of itself to an HTTPS server. */
  client: { certificate: string; key: string } | null;
  /** null: a stdio server has the rights of the gateway's user. */
  sandbox: SandboxConfig | null;
  credential: CredentialSettings | null;
  /** Raw Ed25519 public keys (base64url) of the controllers whose receipts the server may bring, and whether it has to. */
  receipts: { keys: string[]; required: boolean };
}

export type SandboxConfig = {
  tool: 'bwrap';
  network: 'none' | 'host';
  /** Absolute paths. */
  read: string[];
  write: string[];
};

/** A bearer credential at rest: never the token. */
export interface Credential {
  subject: string;
  /** SHA-256 of the token's UTF-8 bytes, lower-case hex. */
  tokenSha256: string;
}

/** An agent's bearer credential at rest. */
export interface AgentCredential {
  subject: string;
  /** Of each token that is good: several while tokens change. */
  tokenSha256: string[];
  /** Microseconds since the epoch; null: it does not expire. */
  expiresMicros: number | null;
  /** null: the token says nothing of scopes. */
  scopes: string[] | null;
  groups: string[];
}

/** Where evidence about the machine comes from, and how long it counts. */
export type AttestationConfig = {
  provider: 'auto' | ProviderKind;
  tpm: {
    address: TpmAddress;
    /** Absolute path of a PEM file, leaf first: the certificate of an attestation key that an enroller issued. */
    akCertificate: string | null;
    /** Absolute path of the firmware's event log. */
    eventLog: string;
    /** Registers of the SHA-256 bank that the store's encryption key is sealed to; null: it is not sealed. */
    seal: number[] | null;
    /** Whether an NV counter anchors the store against being restored to an older state. */
    rollbackCounter: boolean;
  };
  /** Absolute path of the folder with certificates and collateral of makers. */
  collateral: string;
  /** Absolute paths of root certificates that the operator's own evidence may chain to, besides those of the makers. */
  roots: string[];
  validityMs: number;
  staleness: 'fail_closed' | 'warn_only';
  launch: LaunchLevel;
};

/**
 * Paths are absolute. `clientCa`: authorities of the certificates that clients must show; null: they show none. `generated`: a key in
 * memory and a certificate that only attestation vouches for.
 */
export type TlsConfig =
  | { kind: 'files'; certificate: string; key: string; clientCa: string | null }
  | { kind: 'generated' };
