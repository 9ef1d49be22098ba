import type { Decision } from './types.ts';

/** Advice keys that ask for a person (wire-formats section 5). */
const ESCALATION_KEYS: readonly string[] = ['approver', 'escalate', 'escalation', 'hitl'];

/** Annotations of the determining forbids, merged in policy order: the later wins. */
export function mergeAdvice(annotations: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  return Object.fromEntries(annotations.flatMap((each) => Object.entries(each)));
}

/** What kind of deny the policies ask for (AARM-R4): their `@aarm_decision`, else step-up where advice names a person. */
export function deniedAs(advice: Readonly<Record<string, string>>): Exclude<Decision['effect'], 'allow'> {
  const asked = Object.hasOwn(advice, 'aarm_decision') ? advice.aarm_decision?.trim().toLowerCase() : undefined;
  if (asked === 'deny' || asked === 'step_up' || asked === 'defer') return asked;
  return ESCALATION_KEYS.some((key) => Object.hasOwn(advice, key)) ? 'step_up' : 'deny';
}
