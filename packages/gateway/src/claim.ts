import { createHash } from 'node:crypto';
import {
  type AgentIdentity,
  boundBytes,
  committedAgent,
  committedExceptions,
  crossingsInClaim,
  encodeBase64Url,
  FormatError,
  type GatewayClaim,
  isObject,
  type JsonObject,
  keyId,
  keySubject,
  member,
} from '@cmcp/evidence';
import { isPrintable } from './audit/drafts.ts';
import type { SessionEvidence } from './audit/evidence.ts';
import type { Tally } from './audit/tally.ts';
import { formatTimestamp } from './audit/timestamp.ts';
import { GatewayError } from './errors.ts';

/** How long a software claim's attestation counts as fresh (wire-formats section 22), in seconds. */
const VALIDITY_SECONDS = 86_400;

const ENFORCEMENT: Readonly<Record<string, GatewayClaim['trace']['policy']['enforcement_mode']>> = {
  enforcing: 'enforce',
  advisory: 'advisory',
  silent: 'silent',
};

/** What a claim takes from the session_start entry: the chain root covers it (contracts section 3). */
export interface Commitment {
  bundleHash: string;
  catalogHash: string;
  enforcementMode: GatewayClaim['trace']['policy']['enforcement_mode'];
  policyVersion: string | null;
  exceptions: GatewayClaim['gateway']['catalog_exceptions'];
  /** null: the session was bound to no manifest. */
  agent: AgentIdentity | null;
}

/** What a session's claim is built from. */
export interface ClaimInput {
  sessionId: string;
  commitment: Commitment;
  chain: { root: string; tip: string; length: number };
  tally: Tally;
  /** Place in the store's one sequence of claims, from 1. */
  number: number;
  /** Digest of the claim before it; null for the first. */
  previous: string | null;
  /** Microseconds since the epoch. */
  nowMicros: number;
  /** When the evidence was made; without any, when the signing key was first known to hold this session. */
  attestedMicros: number;
  /** What vouches for the session; null: a software key, and nothing else. */
  evidence: SessionEvidence | null;
  /** Raw public key of the signer, base64url. */
  publicKey: string;
  gatewayVersion: string;
}

/**
 * Reads the commitment out of a session_start `detail`: strings and integers, printable ASCII.
 *
 * @throws GatewayError INTERNAL_ERROR when a member that a claim needs is missing or not of that form
 */
export function readCommitment(detail: JsonObject | null): Commitment {
  if (!isObject(detail ?? undefined)) throw new GatewayError('INTERNAL_ERROR', 'session_start has no detail');
  const commitments = detail ?? {};
  for (const [name, value] of Object.entries(commitments)) {
    const fits = typeof value === 'string' ? isPrintable(value) : Number.isSafeInteger(value);
    if (!fits || !isPrintable(name)) {
      throw new GatewayError('INTERNAL_ERROR', `session_start: ${name} is neither printable ASCII nor an integer`);
    }
  }
  const mode = textMember(commitments, 'mode');
  const enforcementMode = Object.hasOwn(ENFORCEMENT, mode) ? ENFORCEMENT[mode] : undefined;
  if (enforcementMode === undefined) throw new GatewayError('INTERNAL_ERROR', `session_start: unknown mode ${mode}`);
  const version = member(commitments, 'policy_version');
  return {
    bundleHash: textMember(commitments, 'bundle_hash'),
    catalogHash: textMember(commitments, 'catalog_hash'),
    enforcementMode,
    policyVersion: typeof version === 'string' ? version : null,
    exceptions: exceptionsIn(commitments),
    agent: agentIn(commitments),
  };
}

function exceptionsIn(detail: JsonObject): Commitment['exceptions'] {
  if (member(detail, 'catalog_exceptions') === undefined) return [];
  const items = committedExceptions(detail);
  if (items === null) throw new GatewayError('INTERNAL_ERROR', 'session_start: catalog_exceptions cannot be read');
  return items;
}

function agentIn(detail: JsonObject): AgentIdentity | null {
  try {
    return committedAgent(detail);
  } catch (error) {
    if (error instanceof FormatError) throw new GatewayError('INTERNAL_ERROR', error.message, { cause: error });
    throw error;
  }
}

function textMember(detail: JsonObject, name: string): string {
  const value = member(detail, name);
  if (typeof value !== 'string') throw new GatewayError('INTERNAL_ERROR', `session_start: ${name} is missing`);
  return value;
}

/** The claim of a session in the reference's wire form (wire-formats section 8), unsigned: `signature` is empty. */
export function buildClaim(input: ClaimInput): GatewayClaim {
  const attestedMicros = Math.min(input.attestedMicros, input.nowMicros);
  const ageSeconds = (input.nowMicros - attestedMicros) / 1e6;
  const validitySeconds = input.evidence?.validitySeconds ?? VALIDITY_SECONDS;
  return {
    cmcp_version: '1.0',
    trace: traceOf(input),
    gateway: {
      session_id: input.sessionId,
      gateway_version: input.gatewayVersion,
      sequence_number: input.number,
      ...(input.previous === null ? {} : { prev_claim_hash: input.previous }),
      audit_chain: input.chain,
      call_summary: callSummary(input.tally),
      catalog: { hash: input.commitment.catalogHash, drift_detected: input.tally.drift },
      attestation_generated_at: formatTimestamp(attestedMicros),
      attestation_validity_seconds: validitySeconds,
      attestation_stale: ageSeconds > validitySeconds,
      catalog_exceptions: input.commitment.exceptions.map((item) => ({ ...item })),
      kill_switch_triggered: input.tally.killSwitch,
      ...(input.commitment.agent === null ? {} : { agent_identity: { ...input.commitment.agent } }),
      ...(input.evidence === null ? {} : { attestation_evidence: { ...input.evidence.evidence } }),
    },
    signature: '',
  };
}

function traceOf(input: ClaimInput): GatewayClaim['trace'] {
  const { commitment, tally, publicKey } = input;
  return {
    eat_profile: 'tag:agentrust-io.com,2026:trace-v0.2',
    // Rounded down: never in the future.
    iat: Math.floor(input.nowMicros / 1e6),
    subject: keySubject(publicKey),
    runtime: runtimeOf(input),
    policy: {
      bundle_hash: commitment.bundleHash,
      enforcement_mode: commitment.enforcementMode,
      ...(commitment.policyVersion === null ? {} : { version: commitment.policyVersion }),
    },
    data_class: maxSensitivity(tally),
    tool_transcript: {
      hash: `sha256:${input.chain.tip}`,
      call_count: tally.calls,
      ...(tally.transcript === null ? {} : { entries: tally.transcript.map((line) => ({ ...line })) }),
    },
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: publicKey, kid: keyId(publicKey) } },
  };
}

/** The platform, and the 64 bytes that its evidence carries. Without one the runtime says so in the reference's words. */
function runtimeOf({ evidence, publicKey, chain }: ClaimInput): GatewayClaim['trace']['runtime'] {
  if (evidence === null) {
    return {
      platform: 'software-only',
      measurement: `sha256:${'0'.repeat(64)}`,
      firmware_version: 'software-only-dev-mode',
    };
  }
  const { platform, measurement, firmwareVersion } = evidence;
  return {
    platform,
    measurement,
    nonce: encodeBase64Url(boundBytes(publicKey, chain.root)),
    ...(firmwareVersion === null ? {} : { firmware_version: firmwareVersion }),
  };
}

function callSummary(tally: Tally): GatewayClaim['gateway']['call_summary'] {
  return {
    tool_calls_total: tally.calls,
    tool_calls_allowed: tally.allowed,
    tool_calls_denied: tally.denied,
    tool_calls_faulted: tally.faulted,
    tools_invoked: [...tally.tools].sort(),
    session_max_sensitivity: maxSensitivity(tally),
    call_graph_summary: {
      compliance_domains_touched: [...tally.complianceDomains].sort(),
      ...crossingsInClaim(tally.graph.crossings),
    },
  };
}

function maxSensitivity(tally: Tally): string {
  return asciiName(tally.maxSensitivity ?? 'unknown');
}

const MAX_NAME = 256;

/**
 * A name as entries and claims carry it: printable ASCII, at most 256 characters. A name that is so already stays as it is;
 * in any other, every byte of its UTF-8 form outside U+0020..U+007E, and `%`, is percent-encoded. A longer one is cut and
 * ends in `~` and 16 hex digits of its SHA-256, so that two long names stay two. Applying it twice changes nothing.
 */
export function asciiName(name: string): string {
  if (isPrintable(name) && name.length <= MAX_NAME) return name;
  const bytes = Buffer.from(name, 'utf8');
  const head = bytes.subarray(0, MAX_NAME);
  let encoded = isPrintable(name) ? name.slice(0, MAX_NAME) : '';
  if (encoded === '') for (const byte of head) encoded += printableByte(byte);
  if (bytes.length <= MAX_NAME && encoded.length <= MAX_NAME) return encoded;
  const mark = `~${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
  return encoded.slice(0, MAX_NAME - mark.length) + mark;
}

function printableByte(byte: number): string {
  const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
  return plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
