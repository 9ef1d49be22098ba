import { durationMs } from '../config/duration.ts';
import { CHANNELS, type Channel, type Escalation } from '../escalation/types.ts';
import { deniedAs } from './advice.ts';

/** A policy that denied. */
export interface Denying {
  id: string;
  annotations: Readonly<Record<string, string>>;
}

const TTL_MS = 900_000;

/** What a forbid of a native bundle asks for, by its own annotations; null: it denies, whoever approves. */
export function escalationOf({ id, annotations }: Denying): Escalation | null {
  const effect = deniedAs(annotations);
  if (effect === 'deny') return null;
  const said = (key: string): string | null => (Object.hasOwn(annotations, key) ? (annotations[key] ?? null) : null);
  const via = CHANNELS.find((channel): channel is Channel => channel === said('via'));
  return {
    policyId: id,
    effect,
    approver: said('approver'),
    via: via ?? (effect === 'defer' ? 'callback' : 'operator'),
    holdMs: durationMs(said('hold') ?? '') ?? 0,
    ttlMs: durationMs(said('ttl') ?? '') ?? TTL_MS,
  };
}

/**
 * What all of these ask for together. A plain deny is sticky: where one of them is no escalation, nothing is asked for. A person beats a
 * machine: with both, the call is a step-up.
 */
export function escalated(denying: readonly Denying[]): {
  effect: 'deny' | 'step_up' | 'defer';
  escalations: Escalation[];
} {
  const all = denying.map(escalationOf);
  const escalations = all.filter((each) => each !== null);
  if (escalations.length === 0 || escalations.length < all.length) return { effect: 'deny', escalations: [] };
  return { effect: escalations.some(({ effect }) => effect === 'step_up') ? 'step_up' : 'defer', escalations };
}
