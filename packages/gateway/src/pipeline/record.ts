import { canonicalSorted, type EntryDraft, type JsonObject, type JsonValue, type PolicyDecision } from '@cmcp/evidence';
import { blankEntry } from '../audit/blank.ts';
import type { CallSalt, EntryReceipt } from '../audit/types.ts';
import { type Caller, workflowOf } from '../caller.ts';
import type { Drift } from '../catalog/live.ts';
import { asciiName } from '../claim.ts';
import type { Clock } from '../clock.ts';
import type { Used } from '../escalation/types.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { speaks } from '../policy/mode.ts';
import type { Redaction } from '../policy/redaction.ts';
import type { Decision, Mode } from '../policy/types.ts';
import type { Sensitivity } from '../session/exposure.ts';
import type { FlowView } from '../session/flow/types.ts';
import type { Session } from '../session/sessions.ts';
import type { Block } from '../stop/block.ts';
import type { Spent } from '../stop/limits.ts';
import type { Lap } from '../telemetry/stages.ts';
import { evidenceClassOf } from './evidence-class.ts';
import type { TakenReceipt } from './external-receipt.ts';
import { flowEntry } from './flow.ts';
import type { InspectedCall } from './inspected.ts';
import { payloadDigest } from './payload-digest.ts';
import type { Plan } from './plan.ts';

/**
 * Everything known so far of one governed call, from which its one entry is made (architecture rule 2). Each stage of the
 * pipeline adds what it found; nothing is taken away.
 */
export interface CallRecord {
  readonly callId: string;
  readonly session: Session;
  /** Who made this very request: of the owner of the session, perhaps with another credential. */
  readonly caller: Caller;
  /** Whose exposure it counts to. */
  readonly exposed: string;
  /** The type of its entry unless it ends as an egress denial or a fault, which only tool calls do by type. */
  readonly entryType: 'tool_call' | 'mcp_request';
  /** Printable form of the name that was asked for. */
  readonly name: string;
  /** Printable form of what the request says that it is part of. */
  readonly workflow: string | null;
  readonly startedMicros: number;
  readonly requestHash: string;
  /** Null when digests are plain. */
  readonly salt: CallSalt | null;
  readonly before: Sensitivity;
  readonly generation: number;
  plan: Plan | null;
  /** Why it is refused, when it is for having changed. */
  drift: Drift | null;
  /** What the agent sent, for the time of the call only. */
  carried: JsonValue;
  /** Where values in it came from; null until that is traced. */
  flow: FlowView | null;
  /** What the answer may reveal: the catalog's level and the caller's declaration. */
  effective: Sensitivity | null;
  decision: Decision | null;
  /** A deny that the mode let through. */
  wouldHaveDenied: boolean;
  responseHash: string | null;
  /** What the decisions so far want removed from the answer. */
  redactions: readonly Redaction[];
  /** How much that came to, of values and of parts that could not be redacted; null until there is an answer. */
  redacted: { fields: number; parts: number; applied: boolean } | null;
  /** What the server said before its answer. */
  readonly notices: { relayed: number; withheld: number };
  /** Passes on what of that is held until the answer may be released; null: nothing is. */
  heldBack: (() => Promise<void>) | null;
  /** What it said before its answer ended the call. */
  endedMidStream: boolean;
  /** Links to resources, and contents of resources, that were taken out of the answer. */
  withheldLinks: number;
  /** What inspecting everything that the server gave came to. */
  readonly inspected: InspectedCall;
  /** The receipt of an outside controller, where there was one or had to be. */
  receipt: TakenReceipt | null;
  /** The answer that an operator released, where the call is given that instead of asking its server. */
  released: { id: string; operator: string } | null;
  /** What was approved of it, and used up by it; null: nothing. */
  approval: Used | null;
  /** What is asked about it, and may be answered; null: nothing. */
  pending: { id: string; expiresAt: string } | null;
  /** Why it is stopped, where it is. */
  block: Block | null;
  /** What it has taken of the limits. */
  spent: Spent | null;
  /** When it may be tried again, where it exceeded one. */
  retryAfterSeconds: number | null;
  /** Measures its stages. */
  readonly lap: Lap;
}

/** How a call ended, in the words of an entry. */
export interface Ending {
  entryType: 'tool_call' | 'egress_denied' | 'fault' | 'mcp_request';
  decision: PolicyDecision;
  /** What decided: policy ids, or the name of the guard. */
  rule: string;
  inspection: EntryDraft['response_inspection_result'];
  after: Sensitivity;
  latencyMicros: number;
  detail: JsonObject;
}

/** The entry of a call, without its place in the chain. Strings, integers and nulls only. */
export function entryOf(record: CallRecord, action: string, ending: Ending): EntryDraft {
  const { caller } = record;
  const item = record.plan?.item ?? null;
  return {
    ...blankEntry(ending.entryType, action),
    call_id: record.callId,
    // Contracts section 8: entries use the catalog's name, whatever the agent knows the tool by.
    tool_name: item === null ? record.name : item.name,
    server_identity: item === null ? null : item.server.identity,
    policy_decision: ending.decision,
    policy_rule_matched: ending.rule,
    latency_us: ending.latencyMicros,
    request_payload_hash: record.requestHash,
    response_payload_hash: record.responseHash,
    response_inspection_result: ending.inspection,
    session_sensitivity_before: record.before.class,
    session_sensitivity_after: ending.after.class,
    detail: {
      compliance_domain: item === null ? 'unknown' : item.complianceDomain,
      ...workflowEntry(record),
      ...counted(record),
      ...ending.detail,
    },
    workflow_id: workflowOf(caller, record.workflow)?.id ?? null,
    ...(item === null ? {} : { evidence_class: evidenceClassOf(item.server.transport) }),
    effective_data_class: record.effective === null ? null : record.effective.class,
    caller: caller.subject,
    caller_source: caller.source,
    on_behalf_of: caller.onBehalfOf ?? null,
    policy_ids: record.decision === null ? [] : record.decision.policyIds,
    flow: flowEntry(record.flow),
    external_execution_evidence: record.receipt?.value ?? null,
    digest_salt_ref: record.salt === null ? null : record.callId,
  };
}

/** Who names the workflow; and what the request says of it that does not count, because a signed credential says otherwise. */
function workflowEntry({ caller, workflow }: CallRecord): JsonObject {
  const counts = workflowOf(caller, workflow);
  if (counts === null) return {};
  const differs = workflow !== null && workflow !== counts.id;
  return { workflow_source: counts.source, ...(differs ? { workflow_asserted: workflow } : {}) };
}

/** What is worth saying of a call only where there was any. */
function counted(record: CallRecord): JsonObject {
  const { notices, withheldLinks, redacted, redactions, receipt, decision, session, inspected, released } = record;
  const { approval, pending } = record;
  const severity = session.authority.policy.request === 'native' ? decision?.advice.severity : undefined;
  return {
    ...(severity === undefined ? {} : { severity }),
    ...inspected.detail,
    ...(redacted === null ? {} : removedFrom(redacted, redactions)),
    ...(notices.relayed > 0 ? { notices_relayed: notices.relayed } : {}),
    ...(notices.withheld > 0 ? { notices_withheld: notices.withheld } : {}),
    ...(record.endedMidStream ? { mid_stream: 'true' } : {}),
    ...(withheldLinks > 0 ? { links_withheld: withheldLinks } : {}),
    ...(receipt === null ? {} : { receipt: receipt.standing }),
    ...(approval === null ? {} : { approval_id: approval.id }),
    ...(pending === null ? {} : { approval_asked: pending.id }),
    ...(released === null ? {} : { quarantine_id: released.id, released_by: asciiName(released.operator) }),
  };
}

/** The policy's own words for what was removed, never the answer's. */
function removedFrom(
  { fields, parts, applied }: NonNullable<CallRecord['redacted']>,
  redactions: readonly Redaction[],
): JsonObject {
  const said = { redactions: redactions.map(({ text }) => text).join(', ') };
  return applied
    ? { ...said, fields_redacted: fields, parts_withheld: parts }
    : { ...said, would_have_redacted: fields + parts };
}

/** How a call that was let through is entered. */
export function releasedAs({ wouldHaveDenied, redacted, withheldLinks, inspected }: CallRecord): PolicyDecision {
  if (wouldHaveDenied) return 'advisory_deny';
  return redacted?.applied === true || withheldLinks > 0 || inspected.tookSomething ? 'redact' : 'allow';
}

/** Digest of a request as an entry records it: over its sorted canonical form (wire-formats section 7.1). */
export function requestDigest(salt: CallSalt | null, payload: JsonValue): string {
  return payloadDigest(salt, canonicalSorted(payload));
}

/** What a request asks for beside its method: of a tool, its arguments. */
export function requestPayload(request: GovernedRequest): JsonObject {
  switch (request.method) {
    case 'tools/call':
      return request.arguments;
    case 'resources/read':
      return { uri: request.uri };
    case 'prompts/get':
      return { name: request.name, arguments: { ...request.arguments } };
    case 'completion/complete':
      return { ref: { ...request.ref }, argument: { ...request.argument }, context: { ...request.context } };
    case 'tasks/update':
      return { taskId: request.taskId, responses: request.responses };
    default:
      return { taskId: request.taskId };
  }
}

/** What a request is about, as it names it. */
export function requestName(request: GovernedRequest): string {
  switch (request.method) {
    case 'tools/call':
    case 'prompts/get':
      return request.name;
    case 'resources/read':
      return request.uri;
    case 'completion/complete':
      return request.ref.kind === 'prompt' ? request.ref.name : request.ref.uri;
    default:
      // A handle says nothing to a reader; the tool is named once it is known.
      return request.method;
  }
}

/** What decided, as an entry says it. */
export function ruleOf(decision: Decision | null): string {
  if (decision === null || decision.policyIds.length === 0) return 'default_deny';
  return decision.policyIds.join(',');
}

/** What every reply carries of its call (contracts section 2); sequence and hash once the entry is durable, and the number of the claim where it has one. */
export function callMeta(
  mode: Mode,
  record: CallRecord,
  receipt: EntryReceipt | null,
  claim: number | null = null,
): JsonObject {
  const ids: JsonObject = { call_id: record.callId, session_id: record.session.id };
  if (receipt !== null) {
    ids.sequence = receipt.sequence;
    ids.entry_hash = receipt.entryHash;
  }
  if (claim !== null) ids.claim = claim;
  if (record.wouldHaveDenied && speaks(mode)) ids.would_have_denied = true;
  if (record.inspected.applied || speaks(mode)) Object.assign(ids, record.inspected.told);
  if (record.redacted !== null) Object.assign(ids, toldOf(mode, record.redacted));
  return ids;
}

function toldOf(mode: Mode, { fields, parts, applied }: NonNullable<CallRecord['redacted']>): JsonObject {
  if (applied) return { redacted: fields + parts };
  return speaks(mode) ? { would_have_redacted: fields + parts } : {};
}

/** Microseconds since the call was admitted. */
export function elapsed(clock: Clock, record: CallRecord): number {
  return Math.max(0, clock.nowMicros() - record.startedMicros);
}
