import { FormatError } from '../format-error.ts';
import { isObject, JsonNumber, type JsonObject, type JsonValue } from '../json/value.ts';
import { flag, integer, list, object, oneOf, openObject, type Rule, text, time } from '../shape.ts';

/** A claim as the wire allows it (wire-formats section 8): the reference leaves out some members that ours always has. */
export interface WireClaim extends JsonObject {
  trace: {
    iat: number;
    subject: string;
    runtime: { platform: string; measurement: string; nonce?: string; firmware_version?: string };
    policy: { bundle_hash: string; enforcement_mode: string };
    data_class: string;
    tool_transcript?: { hash: string; call_count?: number; entries?: TranscriptLine[] };
    cnf: { jwk: { x: string; kid: string } };
  };
  gateway: {
    session_id: string;
    sequence_number: number;
    prev_claim_hash?: string;
    audit_chain: { root: string; tip: string; length: number };
    call_summary: {
      tool_calls_total: number;
      tool_calls_allowed: number;
      tool_calls_denied: number;
      tool_calls_faulted: number;
      tools_invoked: string[];
      session_max_sensitivity: string;
      call_graph_summary: {
        compliance_domains_touched: string[];
        cross_boundary_events: JsonObject[];
        edges_represent?: string;
      };
    };
    catalog: { hash: string; drift_detected?: boolean };
    attestation_generated_at: string;
    attestation_validity_seconds: number;
    attestation_stale: boolean;
    catalog_exceptions?: JsonObject[];
    call_log_summary?: { total_calls: number; tools_called: string[]; suspicious_sequences_detected: number };
    kill_switch_triggered?: boolean;
    agent_identity?: AgentIdentity;
    attestation_evidence?: JsonObject;
  };
  signature: string;
}

/** The agent that a session was for, as a manifest names it. */
export type AgentIdentity = {
  manifest_id: string;
  agent_id: string;
  authenticated_subject: string;
  subject_source: 'config' | 'svid' | 'manifest-dev';
  issuer: string;
  issuer_key_id: string;
  policy_bundle_hash: string;
  tool_catalog_hash: string;
  intent_hash?: string;
  agent_key_thumbprint?: string;
};

/** One call in the transcript of a claim. */
export interface TranscriptLine extends JsonObject {
  tool_name: string;
  data_class: string;
  decision: string;
}

const DIGEST = text(/^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96})$/);
const SHA256 = text(/^sha256:[0-9a-f]{64}$/);
const BARE_HASH = text(/^[0-9a-f]{64}$/);
const SPIFFE = text(/^spiffe:\/\//);

const PLATFORM = oneOf(
  'intel-tdx',
  'amd-sev-snp',
  'azure-cvm-sev-snp',
  'nvidia-h100',
  'nvidia-blackwell',
  'aws-nitro',
  'arm-cca',
  'google-confidential-space',
  'tpm2',
  'software-only',
);

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

const OPEN_JWK = object({ kty: oneOf('OKP'), crv: oneOf('Ed25519'), x: text(), kid: text() }, {}, 'allowed');
const jwk: Rule = (value, path) => {
  const secret = isObject(value) ? PRIVATE_MEMBERS.find((name) => Object.hasOwn(value, name)) : undefined;
  return secret === undefined ? OPEN_JWK(value, path) : `${path} holds the private key member ${secret}`;
};

const TRACE = object(
  {
    eat_profile: oneOf('tag:agentrust-io.com,2026:trace-v0.2'),
    iat: integer(1_700_000_000),
    subject: SPIFFE,
    runtime: object(
      { platform: PLATFORM, measurement: DIGEST },
      { nonce: text(), firmware_version: text(), rim_uri: text() },
    ),
    policy: object(
      { bundle_hash: DIGEST, enforcement_mode: oneOf('enforce', 'advisory', 'silent', 'declared') },
      { version: text(), policy_uri: text() },
    ),
    data_class: text(),
    cnf: object({ jwk }),
  },
  {
    tool_transcript: object(
      { hash: SHA256 },
      {
        call_count: integer(0),
        transcript_uri: text(),
        entries: list(object({ tool_name: text(), data_class: text(), decision: text() })),
      },
    ),
  },
);

const CALL_SUMMARY = object({
  tool_calls_total: integer(0),
  tool_calls_allowed: integer(0),
  tool_calls_denied: integer(0),
  tool_calls_faulted: integer(0),
  tools_invoked: list(text()),
  session_max_sensitivity: text(),
  call_graph_summary: object(
    { compliance_domains_touched: list(text()), cross_boundary_events: list(openObject()) },
    { edges_represent: text() },
  ),
});

/** What a claim says of the agent. */
export const AGENT_IDENTITY = object(
  {
    manifest_id: text(),
    agent_id: SPIFFE,
    authenticated_subject: SPIFFE,
    subject_source: oneOf('config', 'svid', 'manifest-dev'),
    issuer: SPIFFE,
    issuer_key_id: text(),
    policy_bundle_hash: text(),
    tool_catalog_hash: text(),
  },
  { intent_hash: SHA256, agent_key_thumbprint: SHA256 },
);

const GATEWAY = object(
  {
    session_id: text(),
    gateway_version: text(),
    sequence_number: integer(1),
    audit_chain: object({ root: BARE_HASH, tip: BARE_HASH, length: integer(1) }),
    call_summary: CALL_SUMMARY,
    catalog: object({ hash: DIGEST }, { drift_detected: flag }),
    attestation_generated_at: time,
    attestation_validity_seconds: integer(0),
    attestation_stale: flag,
  },
  {
    prev_claim_hash: SHA256,
    catalog_exceptions: list(openObject(text())),
    call_log_summary: object({
      total_calls: integer(0),
      tools_called: list(text()),
      suspicious_sequences_detected: integer(0),
    }),
    kill_switch_triggered: flag,
    agent_identity: AGENT_IDENTITY,
    attestation_evidence: object(
      {},
      { raw_evidence: text(), quote_signature: text(), cert_chain: text(), ek_cert_chain: text() },
    ),
  },
);

const CLAIM = object({ cmcp_version: oneOf('1.0'), trace: TRACE, gateway: GATEWAY, signature: text() });

/**
 * Reads a claim: closed objects, required members, the forms of wire-formats section 8, and nothing but printable ASCII and
 * integers, so that both canonical forms in use agree on it.
 *
 * @throws FormatError
 */
export function readClaim(value: JsonValue): WireClaim {
  const problem = CLAIM(value, 'claim') ?? textProblem(value, 'claim') ?? hardwareProblem(value as WireClaim);
  if (problem !== null) throw new FormatError(problem);
  return value as WireClaim;
}

/** Only a software claim may lack the nonce that binds hardware evidence to key and chain. */
function hardwareProblem(claim: WireClaim): string | null {
  const { platform, nonce } = claim.trace.runtime;
  return platform === 'software-only' || nonce !== undefined ? null : 'claim.trace.runtime has no member nonce';
}

/**
 * What keeps the two canonical forms in use for claims from agreeing, or null: a string or member name outside U+0020..U+007E,
 * or a number that is not a safe integer (defect C-03).
 */
export function textProblem(value: JsonValue, path: string): string | null {
  if (typeof value === 'string') return printable(value) ? null : `${path} holds characters outside U+0020..U+007E`;
  if (value instanceof JsonNumber) return `${path} is a number that is not a safe integer`;
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    if (!printable(key)) return `${path} has a member name with characters outside U+0020..U+007E`;
    const problem = textProblem(item, `${path}.${key}`);
    if (problem !== null) return problem;
  }
  return null;
}

function printable(value: string): boolean {
  return /^[\x20-\x7e]*$/.test(value);
}
