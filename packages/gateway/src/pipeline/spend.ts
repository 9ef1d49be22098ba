import { stringifyJson } from '@cmcp/evidence';
import { asciiName } from '../claim.ts';
import { GatewayError } from '../errors.ts';
import type { Exceeded, Spender } from '../stop/limits.ts';
import type { PathDeps } from './deps.ts';
import { type Plan, toolOf } from './plan.ts';
import type { CallRecord } from './record.ts';

/**
 * Takes what the call needs of its limits (ASI-02), in the turn in which it is let through. Limits hold in every mode.
 *
 * @throws GatewayError LIMIT_EXCEEDED
 */
export function spend(deps: PathDeps, record: CallRecord, plan: Plan): void {
  const { limits } = deps.stop;
  const bytes = limits.countsBytes ? Buffer.byteLength(stringifyJson(plan.params)) : 0;
  const taken = limits.take(spenderOf(record, plan), { calls: 1, bytes, cost: costOf(plan) });
  if ('exceeded' in taken) throw exceeding(deps, record, taken.exceeded);
  record.spent = taken.spent;
}

/** The same of what came back: what would be too much is withheld. @throws GatewayError LIMIT_EXCEEDED */
export function spendAnswer(deps: PathDeps, record: CallRecord, plan: Plan, bytes: number): void {
  const exceeded = deps.stop.limits.takeAnswer(spenderOf(record, plan), bytes);
  if (exceeded !== null) throw exceeding(deps, record, exceeded);
}

function exceeding({ stop }: PathDeps, record: CallRecord, { rate, unit, retryAfterSeconds }: Exceeded): GatewayError {
  const { caller, id } = record.session;
  const what = `more than ${rate[unit]} ${unit} per ${rate.per} within ${rate.windowMs / 1000} s`;
  record.retryAfterSeconds = retryAfterSeconds;
  if (rate.exceeded === 'block') stop.thresholds.stop({ agent: caller.subject, session: id }, 'budget', what);
  return new GatewayError('LIMIT_EXCEEDED', what);
}

/** A task was paid for by the call that began it. */
function costOf(plan: Plan): number {
  if (plan.method.startsWith('tasks/')) return 0;
  return toolOf(plan)?.cost ?? 1;
}

function spenderOf({ session }: CallRecord, plan: Plan): Spender {
  const tool = toolOf(plan);
  return {
    agent: session.caller.subject,
    session: session.id,
    server: plan.item.server.id,
    tool: tool === null ? null : asciiName(tool.name),
  };
}
