import { GatewayError } from '../errors.ts';
import type { Outcome, SubscribeRequest, Subscription } from '../mcp/types.ts';
import { admit } from './admit.ts';
import { decide } from './decide.ts';
import type { PathDeps } from './deps.ts';
import { failureOf } from './exits.ts';
import type { Plan } from './plan.ts';
import { type CallRecord, elapsed, entryOf, ruleOf } from './record.ts';
import { refuse } from './refuse.ts';
import { resourceOf } from './resolve.ts';

/**
 * Subscribes to resources: each is decided and entered by itself, and only then is its server asked. A server says that a resource
 * changed, never what is in it.
 */
export async function subscribe(deps: PathDeps, request: SubscribeRequest): Promise<Subscription> {
  const ends: (() => void)[] = [];
  const end = (): void => {
    for (const each of ends.splice(0)) each();
  };
  const subscription: Subscription = { honoured: [], refused: [], end };
  for (const uri of request.uris) {
    const outcome = await subscribeTo(deps, request, uri);
    if (typeof outcome === 'function') {
      ends.push(outcome);
      subscription.honoured.push(uri);
    } else subscription.refused.push({ uri, outcome });
  }
  if (request.signal.aborted) end();
  return subscription;
}

type Refusal = Extract<Outcome, { kind: 'error' }>;

async function subscribeTo(deps: PathDeps, request: SubscribeRequest, uri: string): Promise<(() => void) | Refusal> {
  const record = await admit(deps, request, { entryType: 'mcp_request', name: uri, payload: { uri } });
  try {
    const plan = planOf(record, uri);
    record.plan = plan;
    decide(deps, record, plan, request);
    const upstream = await record.session.authority.live.compared(plan.item.server);
    const end = await upstream.subscribe(uri, () => request.onUpdated(uri), request.signal);
    if (end === null) throw new GatewayError('METHOD_NOT_GOVERNED', 'the server offers no subscriptions');
    try {
      await enter(deps, record);
    } catch (error) {
      end();
      throw error;
    }
    return end;
  } catch (thrown) {
    const outcome = await refuse(deps, record, 'subscribe', failureOf(thrown));
    if (outcome.kind === 'error') return outcome;
    throw new GatewayError('INTERNAL_ERROR', 'a refusal without an error');
  } finally {
    deps.exposures.drop(record.session.caller.subject, record.callId);
    deps.sessions.leave(record.session);
  }
}

function planOf(record: CallRecord, uri: string): Plan {
  const resource = resourceOf(record.session.authority.catalog, uri);
  return {
    asked: { action: 'subscribe', resource, uri },
    item: resource,
    pinned: null,
    effects: 'read',
    method: 'resources/read',
    params: { uri },
    inputSchema: null,
    contentDigest: null,
  };
}

async function enter(deps: PathDeps, record: CallRecord): Promise<void> {
  const exposure = deps.exposures.row(record.session.caller.subject);
  const draft = entryOf(record, 'subscribe', {
    entryType: 'mcp_request',
    decision: record.wouldHaveDenied ? 'advisory_deny' : 'allow',
    rule: ruleOf(record.decision),
    inspection: 'n/a',
    after: exposure,
    latencyMicros: elapsed(deps.clock, record),
    detail: {},
  });
  await deps.log.append(record.session.id, draft, {
    exposure,
    ...(record.salt === null ? {} : { salt: record.salt }),
  });
}
