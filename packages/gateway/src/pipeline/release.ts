import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { EntryReceipt } from '../audit/types.ts';
import { workflowOf } from '../caller.ts';
import { type Answer, withMeta } from '../inspection/response.ts';
import { inputRequests } from '../mcp/asks.ts';
import type { GovernedRequest, Outcome } from '../mcp/types.ts';
import { speaks } from '../policy/mode.ts';
import type { Mode } from '../policy/types.ts';
import type { PathDeps } from './deps.ts';
import { learn } from './flow.ts';
import { requireGeneration } from './inspect.ts';
import { noteEnd } from './note-end.ts';
import type { Plan } from './plan.ts';
import { type CallRecord, callMeta, type Ending, elapsed, entryOf, releasedAs, ruleOf } from './record.ts';
import { refuse } from './refuse.ts';
import { spendAnswer } from './spend.ts';
import { withTaskId } from './task-handles.ts';
import { requireUnblocked } from './unblocked.ts';

/** Raises the exposure, enters the call, and only then answers. */
export async function release(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  answer: Answer,
): Promise<Outcome> {
  await learn(deps, record, contentOf(answer));
  // Looking through an answer, and remembering it, take their time.
  requireGeneration(deps, record);
  requireUnblocked(deps, record, plan);
  spendAnswer(deps, record, plan, answer.sizeBytes);
  const exposure = deps.exposures.raise(record.exposed, record.callId, record.effective ?? record.before);
  if (answer.kind === 'error') return refuse(deps, record, plan.asked.action, answer.failure, answer.upstream);
  // First: what cannot be shown is no success, and the entry is written once.
  const shown = shownResult(deps, record, request, answer);
  const ending: Ending = {
    entryType: record.entryType,
    decision: releasedAs(record),
    rule: ruleOf(record.decision),
    inspection: record.inspected.result ?? 'n/a',
    after: exposure,
    latencyMicros: elapsed(deps.clock, record),
    detail: { response_bytes: answer.sizeBytes, ...unfinished(answer) },
  };
  const entered = deps.log.append(record.session.id, entryOf(record, plan.asked.action, ending), {
    exposure,
    ...(record.salt === null ? {} : { salt: record.salt }),
  });
  noteEnd(deps, record, ending.decision, null);
  record.lap('release');
  const receipt = deps.config.audit.durability === 'strict' ? await entered : unawaited(deps, record, entered);
  const claim = await deps.claims.ofCall(record.session.id);
  record.lap('record');
  const result = withMeta(shown, 'io.cmcp/call', callMeta(deps.config.mode, record, receipt, claim));
  const type = answer.kind === 'asks' ? 'input_required' : answer.type;
  if (deps.config.compat === 'none') return { kind: 'result', type, result };
  return {
    kind: 'result',
    type,
    result: { ...result, _cmcp: referenceMeta(deps.config.mode, record, receipt, ending.latencyMicros) },
  };
}

/** What of an answer is shown. What is asked instead was remembered when each question was let through. */
function contentOf(answer: Answer): JsonValue {
  if (answer.kind === 'asks') return {};
  return answer.kind === 'error' ? answer.upstream : answer.result;
}

/** A result that is not the last word says so in its entry. */
function unfinished(answer: Exclude<Answer, { kind: 'error' }>): JsonObject {
  if (answer.kind === 'asks') return { result_type: 'input_required', asks: answer.asks.size };
  return answer.type === 'task' ? { result_type: 'task' } : {};
}

/** The result as this client may hold it: states and task ids are sealed for it. */
function shownResult(
  deps: PathDeps,
  { redactions }: CallRecord,
  request: GovernedRequest,
  answer: Exclude<Answer, { kind: 'error' }>,
): JsonObject {
  if (answer.kind === 'asks') {
    const { asks, state } = answer;
    return {
      inputRequests: inputRequests(asks),
      requestState: deps.states.seal(request, { kind: 'passed', state, asks }),
    };
  }
  if (answer.type === 'task' && request.method === 'tools/call') {
    const id = member(answer.result, 'taskId');
    if (typeof id === 'string') {
      return withTaskId(answer.result, deps.tasks.seal({ id, tool: request.name, redactions }, request.caller));
    }
  }
  return 'taskId' in request && Object.hasOwn(answer.result, 'taskId')
    ? withTaskId(answer.result, request.taskId)
    : answer.result;
}

/** The reference's object beside the content (wire-formats section 17.2), with the hash of this call's own entry. */
function referenceMeta(
  mode: Mode,
  record: CallRecord,
  receipt: EntryReceipt | null,
  latencyMicros: number,
): JsonObject {
  const workflow = workflowOf(record.caller, record.workflow);
  return {
    call_id: record.callId,
    ...(receipt === null ? {} : { audit_entry_hash: receipt.entryHash }),
    ...(speaks(mode) ? { would_have_denied: record.wouldHaveDenied } : {}),
    latency_us: latencyMicros,
    session_id: record.session.id,
    ...(workflow === null ? {} : { workflow_id: workflow.id }),
  };
}

/** Batched durability: a lost entry stops the log for good, so the failure shows at the next call, and is reported here. */
function unawaited(deps: PathDeps, record: CallRecord, entered: Promise<EntryReceipt>): null {
  entered.catch((error: unknown) => deps.report('AUDIT_UNAVAILABLE', record.callId, String(error)));
  return null;
}
