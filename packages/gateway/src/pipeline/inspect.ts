import { GatewayError } from '../errors.ts';
import { type Answer, releasable } from '../inspection/response.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { decisionInput, enforce } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import { requirePinnedContent } from './drift.ts';
import { withoutForbiddenLinks } from './links.ts';
import { payloadDigest } from './payload-digest.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/**
 * The second decision, on the answer, and what may be released of it. The digest of what came is recorded also when it is
 * withheld; where links were taken out, that of what is left.
 */
export function inspect(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  answer: Answer,
): Answer {
  record.responseHash = payloadDigest(record.salt, answer.text);
  const { generation } = deps.exposures.row(record.session.caller.subject);
  // Defect D-47: an operator's reset in the meantime began a new generation, which must not be shown this answer.
  if (generation !== record.generation)
    throw new GatewayError('EGRESS_DENIED', 'the exposure was reset during the call');
  if (answer.kind === 'result' && answer.type === 'complete') requirePinnedContent(record, plan, answer.result);
  decideAnswer(deps, record, plan, request, answer);
  return answer.kind === 'result' ? linksChecked(deps, record, plan, answer) : answer;
}

function decideAnswer(deps: PathDeps, record: CallRecord, plan: Plan, request: GovernedRequest, answer: Answer): void {
  const effective = record.effective ?? record.before;
  const decision = decided(deps, record, {
    ...decisionInput(deps, record, plan.asked, request.workflow),
    response: { sizeBytes: answer.sizeBytes, findings: 0, class: effective.class, classRank: effective.rank },
  });
  if (decision.effect !== 'allow') record.decision = decision;
  enforce(deps, record, decision, 'egress');
}

function linksChecked(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  answer: Extract<Answer, { kind: 'result' }>,
): Answer {
  const passed = withoutForbiddenLinks(deps, record, plan, answer.result);
  if (passed === answer.result) return answer;
  const released = releasable(passed, answer.type);
  record.responseHash = payloadDigest(record.salt, released.text);
  return released;
}
