import type { EntryReceipt } from '../audit/types.ts';
import { type ReleasableResult, withMeta } from '../inspection/response.ts';
import type { CallOutcome } from '../mcp/types.ts';
import type { PathDeps } from './deps.ts';
import { type CallRecord, callMeta, type Ending, elapsed, entryOf, ruleOf } from './record.ts';

/** Raises the exposure, enters the call, and only then answers. */
export async function release(deps: PathDeps, record: CallRecord, answer: ReleasableResult): Promise<CallOutcome> {
  const { subject } = record.session.caller;
  const exposure = deps.exposures.raise(
    subject,
    record.callId,
    record.effective ?? record.before,
    deps.clock.nowMicros(),
  );
  const ending: Ending = {
    entryType: 'tool_call',
    decision: record.wouldHaveDenied ? 'advisory_deny' : 'allow',
    rule: ruleOf(record.decision),
    inspection: 'not_inspected',
    after: { class: exposure.class, rank: exposure.rank },
    latencyMicros: elapsed(deps.clock, record),
    detail: { response_bytes: answer.sizeBytes },
  };
  const entered = deps.log.append(record.session.id, entryOf(record, 'call_tool', ending), {
    exposure,
    ...(record.salt === null ? {} : { salt: record.salt }),
  });
  const receipt = deps.config.audit.durability === 'strict' ? await entered : unawaited(deps, record, entered);
  return { kind: 'result', result: withMeta(answer.result, 'io.cmcp/call', callMeta(record, receipt)) };
}

/** Batched durability: a lost entry stops the log for good, so the failure shows at the next call, and is reported here. */
function unawaited(deps: PathDeps, record: CallRecord, entered: Promise<EntryReceipt>): null {
  entered.catch((error: unknown) => deps.report('AUDIT_UNAVAILABLE', record.callId, String(error)));
  return null;
}
