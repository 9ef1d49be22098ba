import { GatewayError } from './errors.ts';
import type { GovernedRequest, Outcome, RefusedMethod } from './mcp/types.ts';
import { admit } from './pipeline/admit.ts';
import { decide } from './pipeline/decide.ts';
import type { PathDeps } from './pipeline/deps.ts';
import { escalate } from './pipeline/escalate.ts';
import { failureOf } from './pipeline/exits.ts';
import { takeReceipt } from './pipeline/external-receipt.ts';
import { carriedBy, trace } from './pipeline/flow.ts';
import { forward } from './pipeline/forward.ts';
import { inspect } from './pipeline/inspect.ts';
import { requireIntent, requireManifest } from './pipeline/manifest.ts';
import { releasedAnswer } from './pipeline/quarantine.ts';
import { type CallRecord, callMeta, requestName, requestPayload } from './pipeline/record.ts';
import { refuse } from './pipeline/refuse.ts';
import { release } from './pipeline/release.ts';
import { resolve } from './pipeline/resolve.ts';
import { type Arrival, arrival, type Returning } from './pipeline/returning.ts';
import { requireScope } from './pipeline/scope.ts';
import { liveSide, type Side } from './pipeline/side.ts';
import { spend } from './pipeline/spend.ts';
import { requireUnblocked } from './pipeline/unblocked.ts';
import { answerWaiting, waitsAsTask } from './pipeline/wait-as-task.ts';
import { laps } from './telemetry/stages.ts';

/**
 * THE PATH of everything that an agent asks for (architecture rule 1): admit → resolve → decide → forward → inspect → release.
 * Every exit leaves exactly one entry, durable before the reply as contracts section 2 says. Rejects only when the log cannot
 * record, or the caller is given no session.
 */
export async function serve(deps: PathDeps, request: GovernedRequest): Promise<Outcome> {
  const waiting = 'taskId' in request ? deps.waiting.find(request.taskId, request.caller) : null;
  if (waiting !== null && 'taskId' in request)
    return await answerWaiting(deps, request, waiting, (call) => serve(deps, call));
  const { ask } = request.client;
  const arrived = arrival(deps, request);
  if (arrived.kind === 'awaited') return await arrived.call.resume(request);
  if (ask !== null) return await walk(deps, request, arrived, liveSide(request, ask), () => {});
  return await deps.parked.start(request, (call) =>
    walk(deps, request, arrived, call, (record) => {
      call.meta = callMeta(deps.config.mode, record, null);
    }),
  );
}

async function walk(
  deps: PathDeps,
  request: GovernedRequest,
  arrived: Arrival,
  side: Side,
  admitted: (record: CallRecord) => void,
): Promise<Outcome> {
  const lap = laps();
  const record = await admit(deps, request, {
    entryType: request.method === 'tools/call' ? 'tool_call' : 'mcp_request',
    name: requestName(request),
    payload: requestPayload(request),
    lap,
  });
  admitted(record);
  lap('admit');
  try {
    if (arrived.kind === 'refused') throw arrived.failure;
    requireUnblocked(deps, record, null);
    await requireManifest(deps, record);
    const plan = resolve(deps, record, request);
    requireScope(deps, record, plan);
    requireIntent(record, plan);
    lap('resolve');
    await trace(deps, record, plan, carriedBy(request));
    lap('flow');
    // In the turn of the decision.
    requireUnblocked(deps, record, plan);
    const needed = decide(deps, record, plan, request);
    if (needed.length > 0) await escalate(deps, record, plan, request, side, needed);
    spend(deps, record, plan);
    lap('decide');
    const released = arrived.kind === 'new' ? await releasedAnswer(deps, record, plan, request) : null;
    const answer = released ?? (await forward(deps, record, plan, request, side, returningOf(arrived)));
    lap('upstream');
    const inspected = await inspect(deps, record, plan, request, answer);
    await record.heldBack?.();
    await takeReceipt(deps, record, plan, inspected);
    lap('inspect');
    return await release(deps, record, plan, request, inspected);
  } catch (thrown) {
    const outcome = await refuse(deps, record, ACTIONS[request.method], failureOf(thrown));
    return waitsAsTask(deps, request, record, outcome);
  } finally {
    record.spent?.end();
    deps.exposures.drop(record.exposed, record.callId);
    deps.sessions.leave(record.session);
  }
}

const returningOf = (arrived: Arrival): Returning | null => (arrived.kind === 'returning' ? arrived.returning : null);

/** The policy's action for each method, which entries name. */
const ACTIONS = {
  'tools/call': 'call_tool',
  'resources/read': 'read_resource',
  'prompts/get': 'get_prompt',
  'completion/complete': 'complete',
  'tasks/get': 'get_task',
  'tasks/update': 'update_task',
  'tasks/cancel': 'cancel_task',
} as const satisfies Record<GovernedRequest['method'], string>;

/** Any other method: not governed, hence refused, and entered as such. */
export async function refuseMethod(deps: PathDeps, request: RefusedMethod): Promise<Outcome> {
  const { method, params } = request;
  const admission = { entryType: 'mcp_request', name: method, payload: params } as const;
  const record = await admit(deps, { ...request, workflow: null }, admission);
  try {
    requireUnblocked(deps, record, null);
    throw new GatewayError('METHOD_NOT_GOVERNED', `method ${record.name}`);
  } catch (thrown) {
    return await refuse(deps, record, record.name, failureOf(thrown));
  } finally {
    deps.sessions.leave(record.session);
  }
}
