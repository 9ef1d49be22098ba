import { type JsonObject, member } from '@cmcp/evidence';
import { blankEntry } from '../audit/blank.ts';
import { digestOrNull } from '../catalog/digests.ts';
import type { Drift } from '../catalog/live.ts';
import { GatewayError } from '../errors.ts';
import { rankOf } from '../policy/sensitivity.ts';
import type { Upstream } from '../upstream/types.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** The server of what is asked for, compared recently; where that is sensitive, compared for this very call (defect D-22). */
export function comparedUpstream({ config, ranks }: PathDeps, record: CallRecord, { item }: Plan): Promise<Upstream> {
  const { recheckAbove } = config.catalog;
  const rank = Math.max(item.sensitivityRank, record.effective?.rank ?? 0);
  const anew = recheckAbove !== null && rank >= rankOf(ranks, recheckAbove);
  return record.session.authority.live.compared(item.server, anew);
}

/** @throws GatewayError CATALOG_DRIFT when what is asked for is known to have departed from what was approved */
export function requireUnchanged(record: CallRecord, { pinned }: Plan): void {
  const drift = pinned === null ? null : record.session.authority.live.drift(pinned);
  if (drift !== null) throw drifted(record, drift);
}

/** @throws GatewayError CATALOG_DRIFT when the content of an answer is pinned, and is not the pinned one */
export function requirePinnedContent(record: CallRecord, plan: Plan, result: JsonObject): void {
  if (plan.contentDigest === null) return;
  const content = member(result, plan.method === 'prompts/get' ? 'messages' : 'contents');
  if (content !== undefined && digestOrNull(content) === plan.contentDigest) return;
  throw drifted(record, { kind: 'definition_changed', classification: 'content' });
}

function drifted(record: CallRecord, drift: Drift): GatewayError {
  record.drift = drift;
  return new GatewayError('CATALOG_DRIFT', `${drift.kind}: ${drift.classification}`);
}

/** A chain says once that something drifted, before the first call that was refused for it. */
export async function recordDrift(deps: PathDeps, { session, plan, drift, before }: CallRecord): Promise<void> {
  if (plan === null || drift === null) return;
  const { action } = plan.asked;
  const what = `${action} ${plan.item.name}`;
  if (session.driftRecorded.has(what)) return;
  session.driftRecorded.add(what);
  await deps.log.append(session.id, {
    ...blankEntry('catalog_drift', action),
    tool_name: plan.item.name,
    server_identity: plan.item.server.identity,
    policy_rule_matched: 'catalog_drift',
    session_sensitivity_before: before.class,
    session_sensitivity_after: before.class,
    detail: { kind: drift.kind, classification: drift.classification, source: 'upstream' },
  });
}
