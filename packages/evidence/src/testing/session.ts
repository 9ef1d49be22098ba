/** Builds whole, valid session files for tests, and seals altered ones again. Not part of the package. */
import {
  type AuditEntry,
  bundleDigest,
  type Checkpoint,
  canonicalSorted,
  checkpointPreimage,
  claimPreimage,
  digest,
  ENTRIES_MEDIA_TYPE,
  type EntriesFile,
  encodeBase64Url,
  entryHash,
  type GatewayClaim,
  type JsonObject,
  keyId,
  keySubject,
  SESSION_FORMAT,
  type SessionFile,
} from '../index.ts';

/** A key pair whose private half can only sign. */
export interface TestKey {
  x: string;
  sign(bytes: Uint8Array<ArrayBuffer>): Promise<string>;
}

export async function newKey(): Promise<TestKey> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new Error('not a key pair');
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  return {
    x: encodeBase64Url(raw),
    sign: async (bytes) => encodeBase64Url(new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, bytes))),
  };
}

/** How a call of the fixture ends. */
export type CallKind =
  | 'allow'
  | 'redact'
  | 'advisory_deny'
  | 'deny'
  | 'step_up'
  | 'defer'
  | 'egress_denied'
  | 'fault'
  | 'miss';

export interface CallSpec {
  kind: CallKind;
  tool: string;
  domain: string;
  dataClass: string;
}

/** Something that happens in a session. */
export type EventSpec = CallSpec | { kind: 'mcp_request' | 'catalog_drift' | 'session_reset' | 'gateway_event' };

export const POLICY_HASH = `sha256:${'0f'.repeat(32)}`;
export const CATALOG_HASH = `sha256:${'d7'.repeat(32)}`;
/** What the gateway of these sessions says that it measured. */
export const GATEWAY_MEASUREMENT = `sha256:${'a1'.repeat(32)}`;
export const START_SECONDS = 1_790_000_000;

const RANK: Record<string, number> = { public: 0, pii: 1, confidential: 2, mnpi: 3 };

/** A closed session with these events, one second apart, signed with `key`. */
export async function makeSession(key: TestKey, events: readonly EventSpec[] = []): Promise<SessionFile> {
  const sessionId = crypto.randomUUID();
  let seen = 'public';
  const entries = [blank(sessionId, 'session_start', seen)];
  for (const event of events) {
    if (isCallSpec(event)) {
      if (answered(event.kind) && (RANK[event.dataClass] ?? 0) > (RANK[seen] ?? 0)) seen = event.dataClass;
      entries.push(callEntry(sessionId, event, seen));
    } else {
      if (event.kind === 'session_reset') seen = 'public';
      entries.push(blank(sessionId, event.kind, seen));
    }
  }
  entries.push(blank(sessionId, 'session_end', seen));
  if (entries[0] !== undefined) entries[0].detail = commitment();
  const file: SessionFile = {
    format: SESSION_FORMAT,
    claim: claimOf(sessionId, events.filter(isCallSpec), entries),
    bundle: { session_id: sessionId, entries, bundle_signature: '' },
    checkpoints: [],
    evidence: [],
  };
  numbered(entries);
  await seal(file, key);
  return file;
}

function isCallSpec(event: EventSpec): event is CallSpec {
  return 'tool' in event;
}

function answered(kind: CallKind): boolean {
  return kind === 'allow' || kind === 'redact' || kind === 'advisory_deny';
}

function commitment(): AuditEntry['detail'] {
  return {
    cmcp_v: 1,
    bundle_hash: POLICY_HASH,
    catalog_hash: CATALOG_HASH,
    mode: 'enforcing',
    measurement: GATEWAY_MEASUREMENT,
    trust_level: 'software',
    exposure: 'public',
    prev_claim_hash: 'none',
  };
}

/** Gives every entry its place in the chain: number, and time one second after the one before. */
export function numbered(entries: readonly AuditEntry[]): void {
  for (const [i, entry] of entries.entries()) {
    entry.sequence_number = i;
    entry.timestamp_utc = timestamp(START_SECONDS + i);
  }
}

export function timestamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', '.000001+00:00');
}

export function blank(sessionId: string, type: AuditEntry['entry_type'], seen: string): AuditEntry {
  return {
    entry_id: crypto.randomUUID(),
    sequence_number: 0,
    timestamp_utc: '',
    session_id: sessionId,
    call_id: null,
    entry_type: type,
    tool_name: null,
    server_identity: null,
    policy_decision: 'n/a',
    policy_rule_matched: null,
    latency_us: null,
    request_payload_hash: null,
    response_payload_hash: null,
    response_inspection_result: 'n/a',
    session_sensitivity_before: null,
    session_sensitivity_after: seen,
    detail: null,
    workflow_id: null,
    prev_entry_hash: '',
    evidence_class: 'hash-only',
    external_execution_evidence: null,
    effective_data_class: null,
    entry_hash: '',
    action: null,
    caller: 'agent-a',
    caller_source: 'bearer',
    on_behalf_of: null,
    policy_ids: [],
    flow: null,
    digest_salt_ref: null,
  };
}

function callEntry(sessionId: string, call: CallSpec, seen: string): AuditEntry {
  const missed = call.kind === 'miss';
  return {
    ...blank(sessionId, entryType(call.kind), seen),
    call_id: crypto.randomUUID(),
    tool_name: call.tool,
    server_identity: missed ? null : 'https://tools.example/mcp',
    policy_decision: call.kind === 'miss' || call.kind === 'egress_denied' ? 'deny' : call.kind,
    policy_rule_matched: 'policy0',
    latency_us: 1200,
    request_payload_hash: `sha256:${'ab'.repeat(32)}`,
    response_inspection_result: answered(call.kind) || call.kind === 'egress_denied' ? 'not_inspected' : 'n/a',
    effective_data_class: missed ? null : call.dataClass,
    detail: missed ? null : { compliance_domain: call.domain },
    action: 'call_tool',
    policy_ids: ['policy0'],
  };
}

function entryType(kind: CallKind): AuditEntry['entry_type'] {
  return kind === 'fault' || kind === 'egress_denied' ? kind : 'tool_call';
}

/** What the wire wants of each kind of call: counted as, and called, in the transcript. */
const SHOWN: Record<CallKind, ['allowed' | 'denied' | 'faulted', string]> = {
  allow: ['allowed', 'allow'],
  redact: ['allowed', 'redact'],
  advisory_deny: ['allowed', 'advisory_deny'],
  deny: ['denied', 'deny'],
  step_up: ['denied', 'deny'],
  defer: ['denied', 'deny'],
  egress_denied: ['denied', 'deny'],
  miss: ['denied', 'deny'],
  fault: ['faulted', 'fault'],
};

function claimOf(sessionId: string, calls: readonly CallSpec[], entries: readonly AuditEntry[]): GatewayClaim {
  const count = (outcome: string): number => calls.filter((call) => SHOWN[call.kind][0] === outcome).length;
  const labels = entries.map((entry) => entry.session_sensitivity_after ?? 'public');
  const highest = labels.reduce((best, label) => ((RANK[label] ?? 0) > (RANK[best] ?? 0) ? label : best));
  const known = (call: CallSpec, said: string): string => (call.kind === 'miss' ? 'unknown' : said);
  return {
    cmcp_version: '1.0',
    trace: {
      eat_profile: 'tag:agentrust-io.com,2026:trace-v0.2',
      iat: START_SECONDS + entries.length,
      subject: '',
      runtime: {
        platform: 'software-only',
        measurement: `sha256:${'0'.repeat(64)}`,
        firmware_version: 'software-only-dev-mode',
      },
      policy: { bundle_hash: POLICY_HASH, enforcement_mode: 'enforce' },
      data_class: highest,
      tool_transcript: {
        hash: '',
        call_count: calls.length,
        entries: calls.map((call) => ({
          tool_name: call.tool,
          data_class: known(call, call.dataClass),
          decision: SHOWN[call.kind][1],
        })),
      },
      cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: '', kid: '' } },
    },
    gateway: {
      session_id: sessionId,
      gateway_version: '0.1.0',
      sequence_number: 1,
      audit_chain: { root: '', tip: '', length: 0 },
      call_summary: {
        tool_calls_total: calls.length,
        tool_calls_allowed: count('allowed'),
        tool_calls_denied: count('denied'),
        tool_calls_faulted: count('faulted'),
        tools_invoked: [...new Set(calls.map((call) => call.tool))].sort(),
        session_max_sensitivity: highest,
        call_graph_summary: {
          compliance_domains_touched: [...new Set(calls.map((call) => known(call, call.domain)))].sort(),
          cross_boundary_events: [],
        },
      },
      catalog: {
        hash: CATALOG_HASH,
        drift_detected: entries.some((entry) => entry.entry_type === 'catalog_drift'),
      },
      attestation_generated_at: timestamp(START_SECONDS),
      attestation_validity_seconds: 86_400,
      attestation_stale: false,
      catalog_exceptions: [],
      kill_switch_triggered: false,
    },
    signature: '',
  };
}

/** Links and hashes the entries as they stand, and lets the claim name the result. */
export function relink(file: SessionFile): void {
  let previous = 'genesis';
  for (const entry of file.bundle.entries) {
    entry.prev_entry_hash = previous;
    entry.entry_hash = entryHash(entry);
    previous = entry.entry_hash;
  }
  const { entries } = file.bundle;
  file.claim.gateway.audit_chain = { root: entries[0]?.entry_hash ?? '', tip: previous, length: entries.length };
  file.claim.trace.tool_transcript.hash = `sha256:${previous}`;
}

/** Names `key` in the claim. */
export function adopt(claim: GatewayClaim, key: TestKey): void {
  claim.trace.subject = keySubject(key.x);
  claim.trace.cnf.jwk.x = key.x;
  claim.trace.cnf.jwk.kid = keyId(key.x);
}

/** A checkpoint over the first `length` entries. */
export async function checkpoint(file: SessionFile, key: TestKey, length: number): Promise<Checkpoint> {
  const tip = file.bundle.entries[length - 1]?.entry_hash ?? '';
  const unsigned = { session_id: file.claim.gateway.session_id, length, tip, key: key.x };
  return { ...unsigned, signature: await key.sign(checkpointPreimage(unsigned)) };
}

/** Signs bundle, chain and claim as they stand. */
export async function sign(file: SessionFile, key: TestKey): Promise<void> {
  file.bundle.bundle_signature = await key.sign(bundleDigest(file.bundle.entries));
  file.claim.signature = await key.sign(claimPreimage(file.claim));
}

/** Everything that someone with `key` can do to make a file consistent again. */
export async function seal(file: SessionFile, key: TestKey): Promise<void> {
  adopt(file.claim, key);
  relink(file);
  file.checkpoints = [await checkpoint(file, key, file.bundle.entries.length)];
  await sign(file, key);
}

/** What a session file says of `text`, the file of entries beside it. */
export function nameEntries(text: string | Uint8Array, entries: number): EntriesFile {
  return { name: 'beside.cmcp.ndjson', digest: digest(text), entries, media_type: ENTRIES_MEDIA_TYPE };
}

/** The file in the form of a long session: a session file, and the text of the file of entries beside it, as `write` writes them. */
export function split(
  file: SessionFile,
  write: (entry: JsonObject) => string = canonicalSorted,
): { session: JsonObject; entries: string } {
  const { session_id, entries, bundle_signature } = file.bundle;
  const text = entries.map((entry) => `${write(entry)}\n`).join('');
  const bundle = { session_id, entries_file: nameEntries(text, entries.length), bundle_signature };
  return { session: { ...file, bundle }, entries: text };
}
