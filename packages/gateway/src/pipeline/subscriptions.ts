import type { Authority } from '../authority.ts';
import { exposedAs } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Outcome, SubscribeRequest, Subscription } from '../mcp/types.ts';
import { allows } from '../policy/effect.ts';
import type { Session } from '../session/sessions.ts';
import { admit } from './admit.ts';
import { decide, decisionInput } from './decide.ts';
import type { PathDeps } from './deps.ts';
import { comparedUpstream } from './drift.ts';
import { failureOf } from './exits.ts';
import { trace, traced } from './flow.ts';
import { requireIntent, requireManifest } from './manifest.ts';
import { noteEnd } from './note-end.ts';
import { type CallRecord, elapsed, entryOf, releasedAs, ruleOf } from './record.ts';
import { refuse } from './refuse.ts';
import { effectiveClass, resourcePlan } from './resolve.ts';
import { requireScope } from './scope.ts';
import { spend } from './spend.ts';
import { requireUnblocked } from './unblocked.ts';

/** One resource that one agent listens to. */
interface Held {
  request: SubscribeRequest;
  uri: string;
  /** Id of its server. */
  server: string;
  /** In which it was decided last. */
  session: Session;
  /** Ends what the server was asked for; null while it is asked anew. */
  end: (() => void) | null;
}

/**
 * The resources that agents listen to. Each is decided and entered by itself, and only then is its server asked. A server says
 * that a resource changed, never what is in it.
 */
export class Subscriptions {
  readonly #deps: PathDeps;
  readonly #held = new Set<Held>();

  constructor(deps: PathDeps) {
    this.#deps = deps;
  }

  /** Rejects when nothing can be recorded, or no session can be had. */
  async subscribe(request: SubscribeRequest): Promise<Subscription> {
    const mine: Held[] = [];
    const end = (): void => {
      for (const held of mine.splice(0)) this.#release(held);
    };
    const subscription: Subscription = { honoured: [], refused: [], end };
    for (const uri of request.uris) {
      const outcome = await subscribeTo(this.#deps, request, uri);
      if ('end' in outcome) {
        const held = { request, uri, ...outcome };
        mine.push(held);
        this.#held.add(held);
        subscription.honoured.push(uri);
        this.#endStopped(held);
      } else subscription.refused.push({ uri, outcome });
    }
    if (request.signal.aborted) end();
    return subscription;
  }

  /**
   * Asks for everything again under what is in force by now. What is no longer allowed ends: its listener is told of a change, so that
   * it looks, and learns that it may not.
   */
  async renew(): Promise<void> {
    await Promise.all([...this.#held].map((held) => this.#renew(held)));
  }

  /** Decides everything again, and asks no server. What would be refused by now is, with its entry, and ends. */
  async reevaluate(authority: Authority): Promise<void> {
    const standing = [...this.#held].filter(({ end }) => end !== null);
    await Promise.all(
      standing.map(async (held) => {
        if (!(await mayStill(this.#deps, authority, held))) await this.#renew(held);
      }),
    );
  }

  /** Ends what is held by credentials that have ended. Whoever listened is told of a change, and learns that it has to ask again. */
  expire(): void {
    const now = this.#deps.clock.nowMicros();
    for (const held of this.#held) {
      const { expiresMicros = Number.POSITIVE_INFINITY } = held.request.caller;
      if (now < expiresMicros) continue;
      this.#release(held);
      held.request.onUpdated(held.uri);
    }
  }

  async #renew(held: Held): Promise<void> {
    held.end?.();
    held.end = null;
    let renewed: (() => void) | null = null;
    try {
      const outcome = await subscribeTo(this.#deps, held.request, held.uri);
      renewed = 'end' in outcome ? outcome.end : null;
      if ('end' in outcome) held.session = outcome.session;
    } finally {
      if (renewed === null) {
        this.#release(held);
        held.request.onUpdated(held.uri);
      }
    }
    if (this.#held.has(held)) held.end = renewed;
    // It was let go of meanwhile.
    else renewed?.();
  }

  /** What is stopped ends: its listener is told of a change, so that it looks, and learns that it may not. */
  endStopped(): void {
    for (const held of this.#held) this.#endStopped(held);
  }

  #endStopped(held: Held): void {
    const { request, uri, server } = held;
    // In the stateless revision a request names no session, and has one all the same.
    const session = request.session?.sessionId ?? held.session.id;
    const target = { agent: request.caller.subject, session, tool: null, server };
    if (this.#deps.stop.blocks.stopping(target) === null) return;
    this.#release(held);
    request.onUpdated(uri);
  }

  #release(held: Held): void {
    this.#held.delete(held);
    held.end?.();
    held.end = null;
  }
}

type Refusal = Extract<Outcome, { kind: 'error' }>;

async function subscribeTo(
  deps: PathDeps,
  request: SubscribeRequest,
  uri: string,
): Promise<(Pick<Held, 'server' | 'session'> & { end: () => void }) | Refusal> {
  const record = await admit(deps, request, { entryType: 'mcp_request', name: uri, payload: { uri } });
  try {
    requireUnblocked(deps, record, null);
    await requireManifest(deps, record);
    const plan = resourcePlan(record.session.authority.catalog, uri, 'subscribe');
    record.plan = plan;
    requireScope(deps, record, plan);
    requireIntent(record, plan);
    await trace(deps, record, plan, uri);
    requireUnblocked(deps, record, plan);
    decide(deps, record, plan, request);
    spend(deps, record, plan);
    const upstream = await comparedUpstream(deps, record, plan);
    requireUnblocked(deps, record, plan);
    record.spent?.left();
    const end = await upstream.subscribe(uri, () => request.onUpdated(uri), request.signal);
    if (end === null) throw new GatewayError('METHOD_NOT_GOVERNED', 'the server offers no subscriptions');
    try {
      await enter(deps, record);
    } catch (error) {
      end();
      throw error;
    }
    return { server: plan.item.server.id, session: record.session, end };
  } catch (thrown) {
    const outcome = await refuse(deps, record, 'subscribe', failureOf(thrown));
    if (outcome.kind === 'error') return outcome;
    throw new GatewayError('INTERNAL_ERROR', 'a refusal without an error');
  } finally {
    record.spent?.end();
    deps.sessions.leave(record.session);
  }
}

/** Whether the policy in force, and the credential, would let the subscription begin now. */
async function mayStill(
  deps: PathDeps,
  { catalog, policy }: Authority,
  { request, uri, session }: Held,
): Promise<boolean> {
  const { caller, workflow } = request;
  try {
    const { asked, item } = resourcePlan(catalog, uri, 'subscribe');
    await requireManifest(deps, { session });
    if (!deps.scopes.allow(caller, item)) return false;
    const whose = { caller, exposed: exposedAs(caller), effective: effectiveClass(deps.ranks, item, null), session };
    const flow = await traced(deps, whose, uri);
    const input = decisionInput(deps, { ...whose, callId: '', flow, approval: null, plan: null }, asked, workflow);
    return allows(policy.decide(input));
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
}

async function enter(deps: PathDeps, record: CallRecord): Promise<void> {
  const exposure = deps.exposures.row(record.exposed);
  const draft = entryOf(record, 'subscribe', {
    entryType: 'mcp_request',
    decision: releasedAs(record),
    rule: ruleOf(record.decision),
    inspection: 'n/a',
    after: exposure,
    latencyMicros: elapsed(deps.clock, record),
    detail: {},
  });
  const entered = deps.log.append(record.session.id, draft, {
    exposure,
    ...(record.salt === null ? {} : { salt: record.salt }),
  });
  noteEnd(deps, record, releasedAs(record), null);
  await entered;
}
