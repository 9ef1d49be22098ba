import { isObject, type JsonObject, member, parseTimestamp } from '@cmcp/evidence';
import { ERRORS } from '../errors.ts';
import { NO_ABILITIES } from '../mcp/asks.ts';
import type { GovernedRequest, Outcome } from '../mcp/types.ts';
import { admit } from './admit.ts';
import type { PathDeps } from './deps.ts';
import { failureOf } from './exits.ts';
import type { Plan } from './plan.ts';
import { type CallRecord, callMeta, elapsed, entryOf, requestName, requestPayload } from './record.ts';
import { refuse } from './refuse.ts';
import type { Side } from './side.ts';
import { requireUnblocked } from './unblocked.ts';
import type { WaitingTask } from './waiting-tasks.ts';

type TaskRequest = Extract<GovernedRequest, { taskId: string }>;

const ACTIONS = { 'tasks/get': 'get_task', 'tasks/update': 'update_task', 'tasks/cancel': 'cancel_task' } as const;

/** Whether the client can ask after a call that waits: then it is not kept waiting itself. */
export function becomesTask({ comesBack, abilities }: Side, { asked }: Plan): boolean {
  return comesBack && abilities.tasks && asked.action === 'call_tool';
}

/**
 * What a client that takes tasks is told in place of a refusal: its call waits, and it may ask after it. The refusal is entered as for
 * any other client.
 */
export function waitsAsTask(deps: PathDeps, request: GovernedRequest, record: CallRecord, refused: Outcome): Outcome {
  const { pending } = record;
  if (refused.kind !== 'error' || pending === null) return refused;
  if (refused.code !== 'STEP_UP_REQUIRED' && refused.code !== 'DEFERRED') return refused;
  if (request.method !== 'tools/call' || request.client.ask !== null || !request.client.abilities.tasks) return refused;
  const task = deps.waiting.add(pending.id, parseTimestamp(pending.expiresAt) ?? 0, request);
  const { 'io.cmcp/call': call, advice, approval_id, expires_at } = refused.data;
  const approval = { approval_id, expires_at, ...(advice === undefined ? {} : { advice }) } as JsonObject;
  const _meta = { 'io.cmcp/call': call as JsonObject, 'io.cmcp/approval': approval };
  const shown = deps.waiting.shown(task, 'working', { statusMessage: ERRORS[refused.code].message, _meta });
  return { kind: 'result', type: 'task', result: shown };
}

/**
 * Answers what a client asks about such a call. Once there is an answer to the request for approval, the call is made as it was asked for,
 * by `run`, and its result is given: once, like that of any call.
 */
export async function answerWaiting(
  deps: PathDeps,
  request: TaskRequest,
  task: WaitingTask,
  run: (call: GovernedRequest) => Promise<Outcome>,
): Promise<Outcome> {
  if (request.method !== 'tasks/get' || task.running) return await told(deps, request, task);
  const answered = await deps.desk.answered(task.id, AbortSignal.abort());
  if (answered === null || task.running) return await told(deps, request, task);
  task.running = true;
  try {
    return finished(deps, task, await run(callOf(task, request)));
  } finally {
    deps.waiting.forget(task);
  }
}

/** The call as it was, of whoever asks after it now. Nobody is there whom its server could ask. */
function callOf({ id, call }: WaitingTask, { caller, session, trace, signal, client }: TaskRequest): GovernedRequest {
  const alone = { ...client, abilities: NO_ABILITIES };
  return { ...call, caller, session, trace, signal, client: alone, round: null, approval: id };
}

function finished({ waiting }: PathDeps, task: WaitingTask, outcome: Outcome): Outcome {
  if (outcome.kind === 'result') {
    const meta = member(outcome.result, '_meta');
    const _meta = isObject(meta) ? meta : {};
    const shown = waiting.shown(task, 'completed', { result: outcome.result, _meta });
    return { kind: 'result', type: 'complete', result: shown };
  }
  const { code, message, data, rpc } = outcome;
  const error = { code: rpc ?? ERRORS[code].rpc, message, data };
  const _meta = { 'io.cmcp/call': member(data, 'io.cmcp/call') ?? {} };
  return { kind: 'result', type: 'complete', result: waiting.shown(task, 'failed', { error, _meta }) };
}

/** What asks nothing of a server is entered all the same. */
async function told(deps: PathDeps, request: TaskRequest, task: WaitingTask): Promise<Outcome> {
  const admission = { entryType: 'mcp_request', name: requestName(request), payload: requestPayload(request) } as const;
  const record = await admit(deps, request, admission);
  try {
    requireUnblocked(deps, record, null);
    const expired = !task.running && deps.clock.nowMicros() >= task.expiresMicros;
    if (request.method === 'tasks/cancel' || expired) deps.waiting.forget(task);
    const exposure = deps.exposures.row(record.exposed);
    const draft = entryOf(record, ACTIONS[request.method], {
      ...{ entryType: 'mcp_request', decision: 'allow', rule: 'approval', inspection: 'n/a', after: exposure },
      latencyMicros: elapsed(deps.clock, record),
      detail: { approval_asked: task.id },
    });
    const { salt, session } = record;
    const receipt = await deps.log.append(session.id, draft, { exposure, ...(salt === null ? {} : { salt }) });
    const _meta = { 'io.cmcp/call': callMeta(deps.config.mode, record, receipt) };
    if (request.method !== 'tasks/get') return { kind: 'result', type: 'complete', result: { _meta } };
    const state = expired ? { error: { code: ERRORS.DEFERRED.rpc, message: 'The approval expired.' } } : {};
    const shown = deps.waiting.shown(task, expired ? 'failed' : 'working', { ...state, _meta });
    return { kind: 'result', type: 'complete', result: shown };
  } catch (thrown) {
    return await refuse(deps, record, ACTIONS[request.method], failureOf(thrown));
  } finally {
    deps.sessions.leave(record.session);
  }
}
