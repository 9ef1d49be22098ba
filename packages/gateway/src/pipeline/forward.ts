import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Intent } from '../audit/types.ts';
import { GatewayError } from '../errors.ts';
import { type Answer, asking, releasable, releasableError } from '../inspection/response.ts';
import type { Ask } from '../mcp/asks.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { enforces } from '../policy/mode.ts';
import { higher } from '../session/exposure.ts';
import { type UpstreamRequest, type UpstreamResult, UpstreamRpcError } from '../upstream/types.ts';
import { Asks } from './asks.ts';
import type { PathDeps } from './deps.ts';
import { comparedUpstream, requireUnchanged } from './drift.ts';
import { recordException } from './exception.ts';
import { exitOf } from './exits.ts';
import { settingsOf } from './look.ts';
import { Notices } from './notices.ts';
import type { Plan } from './plan.ts';
import { recordProvenance } from './provenance.ts';
import { type CallRecord, entryOf, releasedAs } from './record.ts';
import type { Returning } from './returning.ts';
import type { Side } from './side.ts';
import { governTaskAsks } from './task-asks.ts';
import { requireUnblocked } from './unblocked.ts';

/** How often a server may ask for more in one call before that counts as no answer. */
const MAX_ROUNDS = 32;

/** Sends the decided values to the pinned server, after what must be durable before it is (contracts section 2). */
export async function forward(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  side: Side,
  returning: Returning | null,
): Promise<Answer> {
  const intent = once(() => deps.log.intent(intentOf(deps, record, plan)));
  const show = async (): Promise<void> => {
    // Nothing of a call is shown before what it may show is on record, also for tools that only read.
    deps.exposures.show(record.exposed, record.effective ?? record.before);
    await intent();
  };
  const asks = new Asks(deps, record, side, show);
  const notices = new Notices(deps, record, side, show);
  await recordException(deps, record, plan);
  try {
    const answer = await exchange(deps, record, plan, request, side, { returning, asks, notices, intent });
    record.heldBack = () => notices.end();
    return answer;
  } catch (thrown) {
    // What was said ended the call, whatever the server then did.
    if (notices.refusal !== null) throw notices.refusal;
    // What was said of a failure may explain it.
    if (settingsOf(record).stream === 'windowed') await notices.end();
    throw thrown;
  } finally {
    // A server may answer a call without waiting for what it asked, and one of several questions may come to nothing.
    await asks.end();
    await recordProvenance(deps, record, plan);
  }
}

interface Live {
  returning: Returning | null;
  asks: Asks;
  notices: Notices;
  intent: () => Promise<void>;
}

/** As many exchanges with the server as the call takes. */
async function exchange(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  side: Side,
  { returning, asks, notices, intent }: Live,
): Promise<Answer> {
  const strict = deps.config.audit.durability === 'strict';
  let round = await answersOf(asks, returning);
  let brought = returning === null ? (request.round?.responses ?? null) : null;
  record.lap('prepare');
  if (strict && plan.effects !== 'read') await intent();
  record.lap('intent');
  for (let rounds = 0; rounds < MAX_ROUNDS; rounds += 1) {
    // From this look at the server's definitions to the first byte of the call, nothing is awaited.
    const upstream = await comparedUpstream(deps, record, plan);
    requireUnchanged(record, plan);
    requireUnblocked(deps, record, plan);
    if (side.signal.aborted) throw new GatewayError('CALL_CANCELLED', 'before it was sent');
    record.spent?.left();
    const answered = upstream.send(upstreamRequest(deps, record, plan, request, side, { notices, asks, round }));
    // Batched durability syncs the intent while the server works; both must be done before a reply.
    const intended = strict ? null : intent();
    const [answer] = await Promise.all([answerOf(answered), intended]);
    await notices.passedOn();
    if (answer.kind === 'result' && request.method === 'tasks/get') {
      await governTaskAsks(deps.tasks, asks, request.taskId, answer.result);
    }
    if (answer.kind !== 'asks') return answer;
    if (side.comesBack) {
      const permitted = await permittedOf(asks, answer);
      round = await interim(asks, permitted, brought);
      if (round === null) return permitted;
    } else round = await putAll(asks, answer, side.signal);
    brought = null;
  }
  throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', `the server asked more than ${MAX_ROUNDS} times`);
}

type AskingAnswer = Extract<Answer, { kind: 'asks' }>;

async function putAll(asks: Asks, answer: AskingAnswer, signal: AbortSignal): Promise<UpstreamRequest['round']> {
  const taken = await Promise.all(
    [...answer.asks].map(async ([key, ask]) => [key, await asks.put(ask, signal)] as const),
  );
  return { responses: Object.fromEntries(taken), state: answer.state };
}

/** The questions as the client may be asked them. */
async function permittedOf(asks: Asks, answer: AskingAnswer): Promise<AskingAnswer> {
  const permitted = new Map<string, Ask>();
  for (const [key, ask] of answer.asks) permitted.set(key, await asks.permit(ask, key));
  return asking(permitted, answer.state);
}

/**
 * Null when the client has to go and find the answers. One that knows what it is going to be asked may bring them along; what
 * was not asked is left aside.
 */
async function interim(
  asks: Asks,
  answer: AskingAnswer,
  brought: JsonObject | null,
): Promise<UpstreamRequest['round']> {
  const responses: JsonObject = {};
  for (const [key, ask] of answer.asks) {
    const given = brought === null ? undefined : member(brought, key);
    if (!isObject(given)) return null;
    responses[key] = await asks.take(ask, given);
  }
  return { responses, state: answer.state };
}

/** What the client came back with, decided as what then flows to the server. */
async function answersOf(asks: Asks, returning: Returning | null): Promise<UpstreamRequest['round']> {
  if (returning === null) return null;
  const responses: JsonObject = {};
  for (const [key, { ask, answer }] of returning.answered) responses[key] = await asks.take(ask, answer);
  return { responses, state: returning.state };
}

function upstreamRequest(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  side: Side,
  live: { notices: Notices; asks: Asks; round: UpstreamRequest['round'] },
): UpstreamRequest {
  const { round } = live;
  // What answers a task is a parameter; only what was decided of it is sent.
  const answers = plan.method === 'tasks/update' ? { inputResponses: round?.responses ?? {} } : {};
  return {
    callId: record.callId,
    method: plan.method,
    params: { ...plan.params, ...answers },
    inputSchema: plan.inputSchema,
    // Where nothing is withheld, all of it is read.
    maxBytes: enforces(deps.config.mode) ? settingsOf(record).maxBytes : null,
    trace: request.trace,
    signal: AbortSignal.any([side.signal, live.notices.signal]),
    abilities: side.abilities,
    wantsProgress: side.wantsProgress,
    logLevel: side.logLevel,
    onNotice: (notice) => live.notices.take(notice),
    onAsk: async (ask, signal) => {
      // What was said before the question is heard before it: whoever is asked may go away to find the answer.
      await live.notices.passedOn();
      return await live.asks.put(ask, signal);
    },
    onUnoffered: (ask) => live.asks.refuse(ask),
    round: plan.method === 'tasks/update' ? null : round,
  };
}

async function answerOf(answered: Promise<UpstreamResult>): Promise<Answer> {
  try {
    const result = await answered;
    if (result.kind === 'input_required') return asking(new Map(Object.entries(result.asks)), result.state);
    return releasable(result.result, result.kind);
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || !(thrown.cause instanceof UpstreamRpcError)) throw thrown;
    return releasableError(thrown, thrown.cause);
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let begun: Promise<void> | null = null;
  return () => {
    begun ??= work();
    return begun;
  };
}

/** What a call has come to, should nothing more be heard of it. */
export function intentOf(deps: PathDeps, record: CallRecord, plan: Plan): Intent {
  const effective = record.effective ?? record.before;
  const row = deps.exposures.row(record.exposed);
  const after = higher(row, effective);
  const unknown = exitOf('OUTCOME_UNKNOWN');
  return {
    callId: record.callId,
    sessionId: record.session.id,
    method: plan.method,
    name: plan.item.name,
    requestDigest: record.requestHash,
    decision: releasedAs(record),
    timeMicros: record.startedMicros,
    draft: entryOf(record, plan.asked.action, {
      ...unknown,
      entryType: record.entryType === 'mcp_request' ? 'mcp_request' : unknown.entryType,
      rule: 'upstream:OUTCOME_UNKNOWN',
      after,
      latencyMicros: 0,
      detail: { error_code: 'OUTCOME_UNKNOWN' },
    }),
    exposure: { ...row, class: after.class, rank: after.rank, lastCallMicros: record.startedMicros },
  };
}
