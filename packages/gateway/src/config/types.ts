import type { Mode } from '../policy/types.ts';

/** The whole configuration with defaults applied, paths absolute, durations in milliseconds. */
export interface Config {
  /** Absolute path of the file, for messages. */
  file: string;
  /** SHA-256 digest of the effective configuration (secrets are digests already). */
  hash: string;
  /** Digests over the agents' and the operators' credentials alone, so that a change of one shows by name (contracts section 3). */
  agentsHash: string;
  operatorsHash: string;
  dev: boolean;
  listen: { host: string; port: number };
  allowedHosts: string[];
  allowedOrigins: string[];
  dataDir: string;
  mode: Mode;
  policy: { path: string; pin: string | null };
  catalog: { path: string; pin: string | null };
  agents: Credential[];
  /** Subject of the one caller of `cmcp start --stdio`. */
  stdioSubject: string | null;
  operator: { socket: string; credentials: Credential[] };
  attestation: { provider: 'auto' | 'software-only' };
  audit: { durability: 'strict' | 'batched'; digests: 'salted' | 'plain' };
  sessions: { idleMs: number; maxAgeMs: number; carryOverMs: number; maxOpen: number };
  limits: {
    bodyBytes: number;
    depth: number;
    responseBytes: number;
    /** Concurrent calls per gateway; beyond it callers wait. */
    upstreamTimeoutMs: number;
  };
  /** Extra labels: label → rank ≥ 0. Built-ins win. */
  vocabulary: Record<string, number>;
  /** Per server id: secrets and limits. */
  upstreams: Record<string, { env: Record<string, string>; headers: Record<string, string>; timeoutMs: number | null }>;
  /** Emits the reference's `_cmcp` object and status codes. */
  compat: 'none' | 'cmcp-0.4';
}

/** A bearer credential at rest: never the token. */
export interface Credential {
  subject: string;
  /** SHA-256 of the token's UTF-8 bytes, lower-case hex. */
  tokenSha256: string;
}
