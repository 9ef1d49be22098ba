import type { JsonObject } from '@cmcp/evidence';
import type { EntryReceipt } from '../audit/types.ts';
import { ERRORS, type GatewayError } from '../errors.ts';
import type { CallOutcome } from '../mcp/types.ts';
import type { PathDeps } from './deps.ts';
import { recordDrift } from './drift.ts';
import { exitOf } from './exits.ts';
import { type CallRecord, callMeta, type Ending, elapsed, entryOf, ruleOf } from './record.ts';

/**
 * Enters the refusal or fault, then tells the caller a code, ids, and the policy's advice. `shown`: what else the caller may
 * see; by the time it is given here, it has been inspected and counts as seen.
 */
export async function refuse(
  deps: PathDeps,
  record: CallRecord,
  action: string,
  failure: GatewayError,
  shown: JsonObject = {},
): Promise<CallOutcome> {
  const { code } = failure;
  deps.report(code, record.callId, failure.detail);
  await recordDrift(deps, record);
  const exit = exitOf(code);
  const exposure = deps.exposures.row(record.session.caller.subject);
  const draft = entryOf(record, action, {
    ...exit,
    rule: ruleFor(record, failure, exit.entryType),
    after: exposure,
    latencyMicros: elapsed(deps.clock, record),
    detail: { error_code: code },
  });
  const receipt = await deps.log.append(record.session.id, draft, {
    exposure,
    ...(record.salt === null ? {} : { salt: record.salt }),
  });
  const data = { ...errorData(record, failure, receipt), ...shown };
  return { kind: 'error', code, message: messageOf(failure), data };
}

function ruleFor(record: CallRecord, failure: GatewayError, entryType: Ending['entryType']): string {
  if (entryType === 'fault') return `upstream:${failure.code}`;
  const byPolicy = ['POLICY_DENY', 'STEP_UP_REQUIRED', 'DEFERRED'].includes(failure.code);
  const egress = failure.code === 'EGRESS_DENIED' && record.decision?.effect !== 'allow';
  if (byPolicy || egress) return ruleOf(record.decision);
  return failure.code === 'TOOL_NOT_IN_CATALOG' ? 'catalog_miss' : failure.code.toLowerCase();
}

/** What a refused caller learns (contracts section 10): the code, the ids, and the policy's advice; no rule text. */
function errorData(record: CallRecord, failure: GatewayError, receipt: EntryReceipt): JsonObject {
  const data: JsonObject = {
    error_code: failure.code,
    call_id: record.callId,
    'io.cmcp/call': callMeta(record, receipt),
  };
  const advice = record.decision?.effect === 'allow' ? {} : (record.decision?.advice ?? {});
  if (Object.keys(advice).length > 0) data.advice = { ...advice };
  return data;
}

/** What does not fit the approved schema is named, so that the caller can mend it: its own names, never values. */
function messageOf({ code, detail }: GatewayError): string {
  return code === 'ARGUMENTS_REFUSED' ? `${ERRORS[code].message} ${detail}` : ERRORS[code].message;
}
