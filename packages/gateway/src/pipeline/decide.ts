import { GatewayError } from '../errors.ts';
import type { Escalation } from '../escalation/types.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { allows } from '../policy/effect.ts';
import { enforces, speaks } from '../policy/mode.ts';
import { distinct } from '../policy/redaction.ts';
import type { Asked, Decision, DecisionInput } from '../policy/types.ts';
import { higher } from '../session/exposure.ts';
import { viewOf } from '../session/flow/view.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import { type CallRecord, ruleOf } from './record.ts';

/** Requests that may wait for an approval. */
const APPROVABLE: readonly Asked['action'][] = ['call_tool', 'read_resource', 'get_prompt'];

/**
 * Decides and reserves in one turn: a parallel call is decided as if this one had been answered (contracts section 7). Returns what has
 * to be approved before the request may go on: nothing, where it may.
 */
export function decide(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  { workflow }: Pick<GovernedRequest, 'workflow'>,
): readonly Escalation[] {
  const decision = decided(deps, record, decisionInput(deps, record, plan.asked, workflow));
  record.decision = decision;
  const approvable = enforces(deps.config.mode) && APPROVABLE.includes(plan.asked.action);
  if (approvable && decision.escalations.length > 0) return decision.escalations;
  enforce(deps, record, decision, 'ingress');
  if (record.effective !== null) deps.exposures.reserve(record.exposed, record.callId, record.effective);
  return [];
}

/** The same request at both stages; only `response` is added at egress. */
export function decisionInput(
  deps: Pick<PathDeps, 'exposures' | 'platform' | 'trustLevel'>,
  record: Pick<CallRecord, 'callId' | 'caller' | 'exposed' | 'effective' | 'flow' | 'session' | 'approval' | 'plan'>,
  asked: Asked,
  workflow: string | null,
): DecisionInput {
  const { seen, reserved, inFlight, generation } = deps.exposures.current(record.exposed, record.callId);
  const max = higher(reserved, record.effective ?? seen);
  return {
    callId: record.callId,
    caller: record.caller,
    asked,
    session: {
      class: seen.class,
      classRank: seen.rank,
      maxClass: max.class,
      maxClassRank: max.rank,
      inFlight,
      generation,
    },
    flow: record.flow ?? viewOf([], false, seen),
    workflow,
    ...manifestView(record),
    platform: deps.platform,
    trustLevel: deps.trustLevel,
    // What was approved is the call, and nothing that its server asks meanwhile.
    ...(record.approval !== null && asked === record.plan?.asked ? { approval: record.approval } : {}),
  };
}

/** As policies see it: what was signed, never what a caller says of its intent (AARM-R2). */
function manifestView({ session: { manifest } }: Pick<CallRecord, 'session'>): Pick<DecisionInput, 'manifest'> {
  if (manifest === null) return {};
  const { manifest_id: id, issuer, intent_hash: intentHash = null } = manifest.identity;
  return { manifest: { id, issuer, intentHash } };
}

/** Notes what is to be redacted, and turns a denial into a refusal, except where the mode does not enforce: then the call is marked. */
export function enforce(deps: PathDeps, record: CallRecord, decision: Decision, stage: 'ingress' | 'egress'): void {
  record.redactions = distinct([...record.redactions, ...decision.redactions]);
  if (allows(decision)) return;
  if (!enforces(deps.config.mode)) {
    passed(deps, record, decision, stage);
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

function passed({ config, report }: PathDeps, record: CallRecord, decision: Decision, stage: string): void {
  record.wouldHaveDenied = true;
  if (!speaks(config.mode)) return;
  report('call.would_deny', record.callId, decision.error ?? `${decision.effect} at ${stage} by ${ruleOf(decision)}`);
}
