import { ownerOf } from '../caller.ts';
import type { Judged } from '../inspection/judge.ts';
import type { Answer } from '../inspection/response.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { authorityKey, requestKey } from '../quarantine/held.ts';
import type { PathDeps } from './deps.ts';
import { recordException } from './exception.ts';
import { intentOf } from './forward.ts';
import { settingsOf } from './look.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** Keeps an answer that its caller is not given now. Rejects where it cannot be kept. */
export async function hold(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  answer: Answer,
  { findings }: Judged,
): Promise<void> {
  const { outcomes } = settingsOf(record);
  await deps.inspection.quarantine.hold({
    id: record.callId,
    sessionId: record.session.id,
    subject: record.caller.subject,
    ...askedBy(record, request),
    method: plan.method,
    item: plan.item.name,
    server: plan.item.server.id,
    answer,
    findings: findings.map((finding) => ({ finding, outcome: outcomes[finding.kind] })),
    heldMicros: deps.clock.nowMicros(),
  });
}

/**
 * The answer that an operator released for this caller and this request, which then stands in the place of the server's; null: there is
 * none. What has to be on record before an answer is shown is so here too.
 */
export async function releasedAnswer(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
): Promise<Answer | null> {
  const held = deps.inspection.quarantine.take(askedBy(record, request));
  if (held === null || held.released === null) return null;
  record.released = { id: held.id, operator: held.released.operator };
  await recordException(deps, record, plan);
  await deps.log.intent(intentOf(deps, record, plan));
  return held.answer;
}

function askedBy({ session: { authority }, caller, exposed, generation }: CallRecord, request: GovernedRequest) {
  return {
    owner: ownerOf(caller),
    exposed,
    generation,
    request: requestKey(request),
    governedBy: authorityKey(authority),
  };
}
