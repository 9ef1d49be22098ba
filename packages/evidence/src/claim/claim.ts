import type { JsonObject } from '../json/value.ts';
import type { AgentIdentity } from './wire.ts';

/** The gateway claim (wire-formats section 8): closed, printable ASCII, integers only. */
export interface GatewayClaim extends JsonObject {
  cmcp_version: '1.0';
  trace: {
    eat_profile: 'tag:agentrust-io.com,2026:trace-v0.2';
    /** Seconds since the epoch. */
    iat: number;
    subject: string;
    runtime: { platform: string; measurement: string; nonce?: string; firmware_version?: string };
    policy: { bundle_hash: string; enforcement_mode: 'enforce' | 'advisory' | 'silent'; version?: string };
    data_class: string;
    tool_transcript: {
      hash: string;
      call_count: number;
      entries?: { tool_name: string; data_class: string; decision: string }[];
    };
    cnf: { jwk: { kty: 'OKP'; crv: 'Ed25519'; x: string; kid: string } };
  };
  gateway: {
    session_id: string;
    gateway_version: string;
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
    catalog: { hash: string; drift_detected: boolean };
    attestation_generated_at: string;
    attestation_validity_seconds: number;
    attestation_stale: boolean;
    catalog_exceptions: { [key: string]: string }[];
    kill_switch_triggered: boolean;
    agent_identity?: AgentIdentity;
    attestation_evidence?: {
      raw_evidence?: string;
      quote_signature?: string;
      cert_chain?: string;
      ek_cert_chain?: string;
    };
  };
  signature: string;
}
