import { canonicalSorted, digest, encodeBase64Url } from '@cmcp/evidence';
import { formatTimestamp } from '../audit/timestamp.ts';
import { ownerOf } from '../caller.ts';
import { asciiName } from '../claim.ts';
import { GatewayError } from '../errors.ts';
import type { ApprovalDraft, ApprovalRequest, Escalation, Used, Verdict } from '../escalation/types.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { askUser, mayAskUser } from './ask-user.ts';
import { decide } from './decide.ts';
import type { PathDeps } from './deps.ts';
import { requireUnchanged } from './drift.ts';
import { requireNotOver } from './exception.ts';
import { carriedBy, trace } from './flow.ts';
import { requireManifest } from './manifest.ts';
import { patience } from './patience.ts';
import type { Plan } from './plan.ts';
import { type CallRecord, requestPayload } from './record.ts';
import type { Side } from './side.ts';
import { requireUnblocked } from './unblocked.ts';
import { becomesTask } from './wait-as-task.ts';

/**
 * Returns when a call that policy asks somebody about may go on: an approval of exactly this call was used up, and policy decided again.
 * Else the call is refused, and what was asked stays open, so that the same call may be made again.
 *
 * @param needed what the decision asked for
 */
export async function escalate(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  side: Side,
  needed: readonly Escalation[],
): Promise<void> {
  const draft = draftOf(deps, record, plan, request, needed);
  const used =
    (await deps.desk.use(draft, request.approval)) ?? (await asked(deps, record, plan, request, side, draft));
  if (used === null) throw refusal(needed);
  record.pending = null;
  record.approval = used;
  await requireStanding(deps, record, plan, request);
  // In the turn of the decision, which is made of the present state, and without what was approved away: whatever else forbids, still does.
  requireUnblocked(deps, record, plan);
  const more = decide(deps, record, plan, request);
  if (more.length === 0) return;
  await open(deps, record, draftOf(deps, record, plan, request, [...needed, ...more]));
  throw refusal(more);
}

/** Asks, and waits as long as policy lets the call wait. Null: it is not approved by then. */
async function asked(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  side: Side,
  draft: ApprovalDraft,
): Promise<Used | null> {
  const opened = await open(deps, record, draft);
  const { id } = opened;
  const holdMs = Math.max(...draft.escalations.map((each) => each.holdMs));
  // Who names another approval gets that one, or none.
  if (request.approval !== null && request.approval !== id) return null;
  if (mayAskUser(draft, side)) await askUser(deps, record, plan, side, opened);
  else if (holdMs === 0 || becomesTask(side, plan)) return null;
  const verdict = await held(deps, record, plan, side, { id, holdMs });
  // Before the approval is used up: what was stopped meanwhile does not go on (D-49).
  requireUnblocked(deps, record, plan);
  if (side.signal.aborted) throw new GatewayError('CALL_CANCELLED', 'while it waited for an approval');
  if (verdict === null) return null;
  if (!verdict.approved) throw new GatewayError('APPROVAL_REFUSED', `${verdict.by}: ${verdict.reason}`);
  // Another call may be the one that it was used up by.
  record.pending = null;
  return await deps.desk.use(draftOf(deps, record, plan, request, draft.escalations), id);
}

/** What was true when the call began may not be any more, now that somebody was waited for: each check before a decision, once more. */
async function requireStanding(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
): Promise<void> {
  await requireManifest(deps, record);
  requireNotOver(plan);
  requireUnchanged(record, plan);
  await trace(deps, record, plan, carriedBy(request));
}

/** The call waits: nothing is reserved for it, and it ends with its client, its session or its time. */
async function held(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  side: Side,
  { id, holdMs }: { id: string; holdMs: number },
): Promise<Verdict | null> {
  const waits = patience(deps, record, plan, holdMs);
  try {
    return await deps.desk.answered(id, AbortSignal.any([waits.signal, side.signal]));
  } finally {
    waits.end();
  }
}

async function open(deps: PathDeps, record: CallRecord, draft: ApprovalDraft): Promise<ApprovalRequest> {
  try {
    const request = await deps.desk.open(draft);
    record.pending = { id: request.id, expiresAt: request.binding.expires_at };
    return request;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'OVERLOADED') throw error;
    deps.report('approval.not_asked', record.callId, error.detail);
    throw refusal(draft.escalations);
  }
}

function refusal(needed: readonly Escalation[]): GatewayError {
  const deferred = needed.every(({ effect }) => effect === 'defer');
  return new GatewayError(deferred ? 'DEFERRED' : 'STEP_UP_REQUIRED', 'policy');
}

/** Everything that an approval of this call is bound to. */
function draftOf(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  escalations: readonly Escalation[],
): ApprovalDraft {
  const { session, salt } = record;
  const { caller, authority } = session;
  const requestedMicros = deps.clock.nowMicros();
  const ttlMs = Math.min(deps.config.approvals.ttlMs, ...escalations.map((each) => each.ttlMs));
  const expiresMicros = requestedMicros + ttlMs * 1000;
  return {
    caller,
    escalations,
    arguments: requestPayload(request),
    declared: { data_class: request.dataClass, workflow: request.workflow },
    salt: salt === null ? null : encodeBase64Url(salt.salt),
    action: plan.asked.action,
    serverIdentity: plan.item.server.identity,
    callId: record.callId,
    generation: deps.exposures.row(record.exposed).generation,
    requestedMicros,
    expiresMicros,
    binding: {
      session_id: session.id,
      owner: ownerOf(caller),
      subject: caller.subject,
      server: asciiName(plan.item.server.id),
      tool: asciiName(plan.item.name),
      definition_digest: definitionDigest(plan),
      arguments_digest: record.requestHash,
      policy_hash: authority.policy.bundleHash,
      catalog_hash: authority.catalog.hash,
      policy_ids: [...new Set(escalations.map(({ policyId }) => policyId))].sort().join(','),
      expires_at: formatTimestamp(expiresMicros),
    },
  };
}

/** Of the approved definition, which is the live one as long as nothing drifted. */
function definitionDigest({ pinned, asked, contentDigest }: Plan): string {
  if (pinned !== null) return pinned.pin.digest;
  const definition = 'resource' in asked ? asked.resource.definition : {};
  return digest(canonicalSorted({ definition, content: contentDigest }));
}
