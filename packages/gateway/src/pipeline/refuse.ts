import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { ERRORS, type GatewayError } from '../errors.ts';
import type { Outcome } from '../mcp/types.ts';
import { adviceToAgent } from '../policy/advice.ts';
import { allows } from '../policy/effect.ts';
import type { PathDeps } from './deps.ts';
import { recordDrift } from './drift.ts';
import { exitOf, reportEnd } from './exits.ts';
import { noteEnd } from './note-end.ts';
import { type CallRecord, callMeta, type Ending, elapsed, entryOf, ruleOf } from './record.ts';
import { recordBlock, toldOfBlock } from './unblocked.ts';

/**
 * Enters the refusal or fault, then tells the caller a code, ids, and the policy's advice. `upstream`: the server's own error; by
 * the time it is given here, it has been inspected and counts as seen.
 */
export async function refuse(
  deps: PathDeps,
  record: CallRecord,
  action: string,
  failure: GatewayError,
  upstream: JsonObject | null = null,
): Promise<Outcome> {
  const { code } = failure;
  reportEnd(deps, record.callId, failure);
  await recordDrift(deps, record);
  await recordBlock(deps, record);
  const exit = exitOf(code, record.responseHash !== null);
  const entryType = record.entryType === 'mcp_request' ? 'mcp_request' : exit.entryType;
  const exposure = deps.exposures.row(record.exposed);
  const draft = entryOf(record, action, {
    ...exit,
    inspection: record.inspected.result ?? exit.inspection,
    entryType,
    rule: ruleFor(record, failure, exit.entryType),
    after: exposure,
    latencyMicros: elapsed(deps.clock, record),
    detail: { error_code: code },
  });
  const entered = deps.log.append(record.session.id, draft, {
    exposure,
    ...(record.salt === null ? {} : { salt: record.salt }),
  });
  noteEnd(deps, record, exit.decision, code);
  const receipt = await entered;
  const claim = await deps.claims.ofCall(record.session.id);
  const data = errorData(deps, record, failure, callMeta(deps.config.mode, record, receipt, claim));
  if (code === 'ARGUMENTS_REFUSED' && record.entryType === 'tool_call') return badInput(failure, data);
  return upstream === null
    ? { kind: 'error', code, message: ERRORS[code].message, data }
    : passedOn(failure, upstream, data);
}

/**
 * MCP25-15: what does not fit the tool's schema is the model's to mend, so it is told as a result of the tool. What is wrong is
 * named: its own names, never values.
 */
function badInput({ code, detail }: GatewayError, { 'io.cmcp/call': call, ...data }: JsonObject): Outcome {
  const text = `${ERRORS[code].message} ${detail}`;
  const meta = isObject(call) ? { ...call, ...data } : data;
  return {
    kind: 'result',
    type: 'complete',
    result: { content: [{ type: 'text', text }], isError: true, _meta: { 'io.cmcp/call': meta } },
  };
}

/** The server's error reaches the client as if there were nothing in between, with the call's ids beside its data. */
function passedOn({ code }: GatewayError, upstream: JsonObject, data: JsonObject): Outcome {
  const rpc = member(upstream, 'code');
  const message = member(upstream, 'message');
  const given = member(upstream, 'data');
  return {
    kind: 'error',
    code,
    message: typeof message === 'string' ? message : ERRORS[code].message,
    data: { ...(isObject(given) ? withoutOurs(given) : {}), ...data, upstream },
    ...(typeof rpc === 'number' ? { rpc } : {}),
  };
}

/** What only the gateway may say of a call. */
const OURS = [
  'error_code',
  'call_id',
  'io.cmcp/call',
  'upstream',
  'advice',
  'mid_stream',
  'approval_id',
  'expires_at',
  'block_id',
  'retry_after_seconds',
];

const withoutOurs = (given: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(given).filter(([key]) => !OURS.includes(key)));

function ruleFor(record: CallRecord, failure: GatewayError, entryType: Ending['entryType']): string {
  if (entryType === 'fault') return `upstream:${failure.code}`;
  const byPolicy = ['POLICY_DENY', 'STEP_UP_REQUIRED', 'DEFERRED'].includes(failure.code);
  const egress = failure.code === 'EGRESS_DENIED' && record.decision !== null && !allows(record.decision);
  if (byPolicy || egress) return ruleOf(record.decision);
  if (failure.code === 'BLOCKED') return 'kill_switch';
  // Never more than names compared with names (AARM-R3).
  if (failure.code === 'INTENT_SCOPE') return 'intent_scope:structural';
  return failure.code === 'TOOL_NOT_IN_CATALOG' ? 'catalog_miss' : failure.code.toLowerCase();
}

/** What a refused caller learns (contracts section 10): the code, the ids, and the policy's advice; no rule text. */
function errorData({ scopes }: PathDeps, record: CallRecord, failure: GatewayError, call: JsonObject): JsonObject {
  const data: JsonObject = {
    error_code: failure.code,
    call_id: record.callId,
    'io.cmcp/call': call,
    // What was heard of the call so far is all that there will be.
    ...(record.endedMidStream ? { mid_stream: true } : {}),
  };
  const advice =
    record.decision === null ? {} : adviceToAgent(record.decision, record.session.authority.policy.request);
  if (Object.keys(advice).length > 0) data.advice = advice;
  if (record.pending !== null && ['STEP_UP_REQUIRED', 'DEFERRED'].includes(failure.code)) {
    data.approval_id = record.pending.id;
    data.expires_at = record.pending.expiresAt;
  }
  if (failure.code === 'INSUFFICIENT_SCOPE' && record.plan !== null) {
    const scope = scopes.needed(record.session.authority.catalog, record.plan.item);
    if (scope !== null) data.scope = scope;
  }
  // What whoever asks an operator to release it has to name.
  if (failure.code === 'RESPONSE_QUARANTINED') data.quarantine_id = record.callId;
  if (failure.code === 'BLOCKED') Object.assign(data, toldOfBlock(record));
  if (failure.code === 'LIMIT_EXCEEDED') data.retry_after_seconds = record.retryAfterSeconds;
  return data;
}
