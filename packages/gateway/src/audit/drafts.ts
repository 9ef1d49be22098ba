import type { EntryDraft, JsonObject, JsonValue } from '@cmcp/evidence';
import { blankEntry } from './blank.ts';
import type { CloseReason, Intent, SessionOpen } from './types.ts';

/** The chain's root: what the session commits to, by name (contracts section 3). */
export function sessionStart(open: SessionOpen): EntryDraft {
  return {
    ...blankEntry('session_start', 'session_start'),
    session_sensitivity_after: open.exposureClass,
    detail: open.detail,
    caller: open.subject,
    caller_source: open.callerSource,
    on_behalf_of: open.onBehalfOf ?? null,
  };
}

export function sessionEnd(reason: CloseReason, sensitivity: string | null): EntryDraft {
  return {
    ...blankEntry('session_end', 'session_end'),
    session_sensitivity_before: sensitivity,
    session_sensitivity_after: sensitivity,
    detail: { reason },
  };
}

/** Fresh evidence about the machine was stored beside the chain (contracts section 4); `detail` names it by its digest. */
export function attestationRefresh(detail: JsonObject, sensitivity: string | null): EntryDraft {
  return {
    ...blankEntry('attestation_refresh', 'attestation_refresh'),
    session_sensitivity_before: sensitivity,
    session_sensitivity_after: sensitivity,
    detail,
  };
}

/** Where a successor process took over, and how much of what it found was covered by a signature (contracts section 2). */
export function recovered(detail: JsonObject, sensitivity: string | null): EntryDraft {
  return {
    ...blankEntry('recovered', 'recovered'),
    session_sensitivity_before: sensitivity,
    session_sensitivity_after: sensitivity,
    detail,
  };
}

/**
 * The one entry of a call whose fate is not known: it was decided, perhaps sent, and never accounted for.
 * `sensitivity` is what the session counts as having seen, as if the answer had arrived.
 */
export function outcomeUnknown(intent: Intent, sensitivity: string): EntryDraft {
  return {
    ...intent.draft,
    call_id: intent.callId,
    // Only calls of tools are counted (contracts section 3), and a fault counts as one.
    entry_type: intent.draft.entry_type === 'mcp_request' ? 'mcp_request' : 'fault',
    policy_decision: 'fault',
    session_sensitivity_after: sensitivity,
    detail: { ...intent.draft.detail, decision: intent.decision, error_code: 'OUTCOME_UNKNOWN' },
  };
}

/**
 * What makes a draft unfit for the chain, in words, or null. Entries hold only strings, safe integers, nulls, and objects and
 * arrays of these: on them every canonical form agrees (wire-formats section 2).
 */
export function draftProblem(draft: EntryDraft): string | null {
  for (const name of MEMBERS) {
    if (!Object.hasOwn(draft, name)) return `member ${name} is missing`;
  }
  const { tool_name: tool } = draft;
  if (tool !== null && !isPrintable(tool)) return 'tool_name is not printable ASCII';
  return callProblem(draft) ?? valueProblem(draft, 'entry', 0);
}

const MEMBERS = Object.keys(blankEntry('gateway_event', ''));

/** Whether an entry is the end of a call: each call has exactly one (wire-formats section 8). */
export function isCall(entry: Pick<EntryDraft, 'entry_type'>): boolean {
  return entry.entry_type === 'tool_call' || entry.entry_type === 'egress_denied' || entry.entry_type === 'fault';
}

function callProblem(draft: EntryDraft): string | null {
  if (!isCall(draft)) return null;
  if (draft.call_id === null || draft.tool_name === null) return 'the end of a call does not name it';
  return draft.policy_decision === 'n/a' ? 'the end of a call has no decision' : null;
}

/** Deep enough for any detail that the gateway writes, shallow enough to never matter. */
const MAX_DEPTH = 16;

function valueProblem(value: JsonValue, path: string, depth: number): string | null {
  if (value === null) return null;
  if (typeof value === 'string') return value.isWellFormed() ? null : `${path} holds an unpaired surrogate`;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? null : `${path} is not a safe integer`;
  if (typeof value !== 'object') return `${path} is a ${typeof value}`;
  if (depth === MAX_DEPTH) return `${path} is nested too deep`;
  if (Array.isArray(value)) return firstProblem(value.entries(), path, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return `${path} is not a plain object`;
  return firstProblem(Object.entries(value), path, depth);
}

function firstProblem(members: Iterable<[string | number, JsonValue]>, path: string, depth: number): string | null {
  for (const [key, value] of members) {
    if (typeof key === 'string' && !key.isWellFormed()) return `${path} has a member name with an unpaired surrogate`;
    const problem = valueProblem(value, `${path}.${key}`, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

/** Whether every character is in U+0020..U+007E, where all canonical forms agree. */
export function isPrintable(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
