import { GatewayError } from '../errors.ts';
import { type Answer, releasable } from '../inspection/response.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import type { Decision } from '../policy/types.ts';
import { decisionInput, enforce } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import { requirePinnedContent } from './drift.ts';
import { withoutForbiddenLinks } from './links.ts';
import { payloadDigest } from './payload-digest.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';
import { redact } from './redact.ts';

/**
 * The second decision, on the answer, and what may be released of it. The digest of what came is recorded also when it is
 * withheld; where something was taken out, that of what is left.
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
  const redacted = redact(deps, record, plan, answer);
  const passed = redacted.kind === 'result' ? linksChecked(deps, record, plan, redacted) : redacted;
  if (passed !== answer && passed.kind === 'result') record.responseHash = payloadDigest(record.salt, passed.text);
  return passed;
}

function decideAnswer(deps: PathDeps, record: CallRecord, plan: Plan, request: GovernedRequest, answer: Answer): void {
  const effective = record.effective ?? record.before;
  const decision = decided(deps, record, {
    ...decisionInput(deps, record, plan.asked, request.workflow),
    response: { sizeBytes: answer.sizeBytes, findings: 0, class: effective.class, classRank: effective.rank },
  });
  record.decision = graver(record.decision, decision);
  enforce(deps, record, decision, 'egress');
}

const GRAVITY: Readonly<Record<Decision['effect'], number>> = { allow: 0, redact: 1, deny: 2, step_up: 2, defer: 2 };

/** The decision that the entry speaks of: the graver of the two, and of two denials the later. Two redactions are one. */
function graver(first: Decision | null, second: Decision): Decision {
  if (first === null) return second;
  if (GRAVITY[second.effect] < GRAVITY[first.effect] || second.effect === 'allow') return first;
  if (first.effect !== 'redact' || second.effect !== 'redact') return second;
  return { ...second, policyIds: [...new Set([...first.policyIds, ...second.policyIds])] };
}

function linksChecked(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  answer: Extract<Answer, { kind: 'result' }>,
): Answer {
  const passed = withoutForbiddenLinks(deps, record, plan, answer.result);
  if (passed === answer.result) return answer;
  return releasable(passed, answer.type);
}
