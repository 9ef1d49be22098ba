import type { JsonObject } from '@cmcp/evidence';
import type { EntryReceipt } from '../audit/types.ts';
import { type Answer, withMeta } from '../inspection/response.ts';
import type { CallOutcome } from '../mcp/types.ts';
import type { PathDeps } from './deps.ts';
import { type CallRecord, callMeta, type Ending, elapsed, entryOf, ruleOf } from './record.ts';
import { refuse } from './refuse.ts';

/** Raises the exposure, enters the call, and only then answers. */
export async function release(deps: PathDeps, record: CallRecord, answer: Answer): Promise<CallOutcome> {
  const { subject } = record.session.caller;
  const exposure = deps.exposures.raise(subject, record.callId, record.effective ?? record.before);
  if (answer.kind === 'error') return refuse(deps, record, 'call_tool', answer.failure, { upstream: answer.upstream });
  const ending: Ending = {
    entryType: 'tool_call',
    decision: record.wouldHaveDenied ? 'advisory_deny' : 'allow',
    rule: ruleOf(record.decision),
    inspection: 'not_inspected',
    after: exposure,
    latencyMicros: elapsed(deps.clock, record),
    detail: { response_bytes: answer.sizeBytes },
  };
  const entered = deps.log.append(record.session.id, entryOf(record, 'call_tool', ending), {
    exposure,
    ...(record.salt === null ? {} : { salt: record.salt }),
  });
  const receipt = deps.config.audit.durability === 'strict' ? await entered : unawaited(deps, record, entered);
  const result = withMeta(answer.result, 'io.cmcp/call', callMeta(record, receipt));
  if (deps.config.compat === 'none') return { kind: 'result', result };
  return { kind: 'result', result: { ...result, _cmcp: referenceMeta(record, receipt, ending.latencyMicros) } };
}

/** The reference's object beside the content (wire-formats section 17.2), with the hash of this call's own entry. */
function referenceMeta(record: CallRecord, receipt: EntryReceipt | null, latencyMicros: number): JsonObject {
  return {
    call_id: record.callId,
    ...(receipt === null ? {} : { audit_entry_hash: receipt.entryHash }),
    would_have_denied: record.wouldHaveDenied,
    latency_us: latencyMicros,
    session_id: record.session.id,
    ...(record.workflow === null ? {} : { workflow_id: record.workflow }),
  };
}

/** Batched durability: a lost entry stops the log for good, so the failure shows at the next call, and is reported here. */
function unawaited(deps: PathDeps, record: CallRecord, entered: Promise<EntryReceipt>): null {
  entered.catch((error: unknown) => deps.report('AUDIT_UNAVAILABLE', record.callId, String(error)));
  return null;
}
