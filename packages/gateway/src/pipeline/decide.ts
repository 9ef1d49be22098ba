import { GatewayError } from '../errors.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import type { Asked, Decision, DecisionInput } from '../policy/types.ts';
import { higher } from '../session/exposure.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** Decides and reserves in one turn: a parallel call is decided as if this one had been answered (contracts section 7). */
export function decide(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  { workflow }: Pick<GovernedRequest, 'workflow'>,
): void {
  const { subject } = record.session.caller;
  const decision = record.session.authority.policy.decide(decisionInput(deps, record, plan.asked, workflow));
  record.decision = decision;
  enforce(deps, record, decision, 'ingress');
  if (record.effective !== null) deps.exposures.reserve(subject, record.callId, record.effective);
}

/** The same request at both stages; only `response` is added at egress. */
export function decisionInput(
  deps: PathDeps,
  record: CallRecord,
  asked: Asked,
  workflow: string | null,
): DecisionInput {
  const { seen, reserved, inFlight, generation } = deps.exposures.current(record.session.caller.subject, record.callId);
  const max = higher(reserved, record.effective ?? seen);
  return {
    callId: record.callId,
    caller: record.session.caller,
    asked,
    session: {
      class: seen.class,
      classRank: seen.rank,
      maxClass: max.class,
      maxClassRank: max.rank,
      inFlight,
      generation,
    },
    workflow,
    platform: deps.platform,
    trustLevel: deps.trustLevel,
  };
}

/** Turns anything but allow into a refusal, except in advisory mode, which marks it. */
export function enforce(deps: PathDeps, record: CallRecord, decision: Decision, stage: 'ingress' | 'egress'): void {
  if (decision.effect === 'allow') return;
  if (deps.config.mode === 'advisory') {
    record.wouldHaveDenied = true;
    return;
  }
  if (stage === 'egress') throw new GatewayError('EGRESS_DENIED', decision.error ?? 'policy');
  // Only what a tool is given is the caller's to mend.
  const mendable = decision.unfit && record.plan?.asked.action === 'call_tool';
  if (mendable) throw new GatewayError('ARGUMENTS_REFUSED', decision.error ?? 'arguments');
  if (decision.error !== null) throw new GatewayError('POLICY_ERROR', decision.error);
  if (decision.effect === 'step_up') throw new GatewayError('STEP_UP_REQUIRED', 'policy');
  if (decision.effect === 'defer') throw new GatewayError('DEFERRED', 'policy');
  throw new GatewayError('POLICY_DENY', 'policy');
}
