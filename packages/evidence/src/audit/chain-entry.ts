import { FormatError } from '../format-error.ts';
import { JsonLine } from '../json/line.ts';
import { type JsonObject, type JsonValue, member } from '../json/value.ts';
import { integer, nullable, object, oneOf, openObject, text } from '../shape.ts';
import { parseTimestamp } from '../time.ts';
import { type EntryForm, entryForm } from './hash.ts';

/** The members of an entry that the verifier reasons about, and the entry itself as it was received. */
export interface ChainEntry {
  readonly raw: JsonObject;
  readonly form: EntryForm;
  readonly id: string;
  readonly type: string;
  readonly sequence: number;
  /** Microseconds since the epoch. */
  readonly micros: number;
  readonly sessionId: string;
  readonly callId: string | null;
  readonly toolName: string | null;
  readonly server: string | null;
  readonly decision: string | null;
  readonly inspection: string | null;
  readonly sensitivity: string | null;
  readonly dataClass: string | null;
  readonly detail: JsonObject | null;
  readonly previousHash: string;
  readonly hash: string;
}

/** An unknown type is refused: a call must not escape the counters by being called something else. */
const TYPE = oneOf(
  'session_start',
  'session_end',
  'session_reset',
  'tool_call',
  'egress_denied',
  'fault',
  'mcp_request',
  'policy_load',
  'catalog_load',
  'catalog_drift',
  'recovered',
  'gateway_event',
  'approval',
  'attestation_refresh',
  // Types of the reference that we never write.
  'attestation_stale',
  'suspicious_call_sequence',
  'break_glass_used',
);

const DECISION = oneOf('allow', 'deny', 'redact', 'advisory_deny', 'step_up', 'defer', 'fault', 'n/a');

/** Older bundles of the reference lack `effective_data_class`; ours and theirs may have more than this. */
const ENTRY = object(
  {
    entry_id: text(),
    sequence_number: integer(0),
    timestamp_utc: text(),
    session_id: text(),
    call_id: nullable(text()),
    entry_type: TYPE,
    tool_name: nullable(text()),
    server_identity: nullable(text()),
    policy_decision: nullable(DECISION),
    response_inspection_result: nullable(text()),
    session_sensitivity_after: nullable(text()),
    detail: nullable(openObject()),
    prev_entry_hash: text(),
    entry_hash: text(/^[0-9a-f]{64}$/),
  },
  { effective_data_class: nullable(text()) },
  'allowed',
);

/** What {@link ENTRY} promises. */
interface WireEntry extends JsonObject {
  entry_id: string;
  sequence_number: number;
  timestamp_utc: string;
  session_id: string;
  call_id: string | null;
  entry_type: string;
  tool_name: string | null;
  server_identity: string | null;
  policy_decision: string | null;
  response_inspection_result: string | null;
  session_sensitivity_after: string | null;
  detail: JsonObject | null;
  prev_entry_hash: string;
  entry_hash: string;
}

/** Reads the entry at place `at` of a bundle. @throws FormatError when it has not the shape of wire-formats section 7.1 */
export function readEntry(given: JsonValue | JsonLine, at: number): ChainEntry {
  const line = given instanceof JsonLine ? given.canonical : null;
  const value = given instanceof JsonLine ? given.value : given;
  const path = `entry ${at}`;
  const problem = ENTRY(value, path);
  if (problem !== null) throw new FormatError(problem);
  const raw = value as WireEntry;
  const micros = parseTimestamp(raw.timestamp_utc);
  if (micros === null) throw new FormatError(`${path}.timestamp_utc is not a time with an offset`);
  return {
    raw,
    form: entryForm(raw, raw.entry_hash, line),
    id: raw.entry_id,
    type: raw.entry_type,
    sequence: raw.sequence_number,
    micros,
    sessionId: raw.session_id,
    callId: raw.call_id,
    toolName: raw.tool_name,
    server: raw.server_identity,
    decision: raw.policy_decision,
    inspection: raw.response_inspection_result,
    sensitivity: raw.session_sensitivity_after,
    dataClass: textOf(raw, 'effective_data_class'),
    detail: raw.detail,
    previousHash: raw.prev_entry_hash,
    hash: raw.entry_hash,
  };
}

/** The member `key` when it is a string. */
export function textOf(object: JsonObject, key: string): string | null {
  const value = member(object, key);
  return typeof value === 'string' ? value : null;
}

/** Whether an entry is the end of a call: each call has exactly one of these (wire-formats section 8). */
export function isCall(entry: ChainEntry): boolean {
  return entry.type === 'tool_call' || entry.type === 'egress_denied' || entry.type === 'fault';
}

/** Whether the chain that starts with `first` was written by a gateway that commits to names in session_start (contracts section 3). */
export function hasCommitments(first: ChainEntry | null): boolean {
  return first !== null && first.detail !== null;
}
