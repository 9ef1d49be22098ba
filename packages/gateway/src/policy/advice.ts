import { durationMs } from '../config/duration.ts';
import type { Decision, PolicyEngine } from './types.ts';

/** Advice keys that ask for a person (wire-formats section 5). */
const ESCALATION_KEYS: readonly string[] = ['approver', 'escalate', 'escalation', 'hitl'];

/** What is told of a refusal; any other annotation is between the policy's author and its readers (contracts section 10). */
const TOLD: readonly string[] = ['advice', ...ESCALATION_KEYS, 'ttl', 'severity'];

/** Annotations of the determining forbids, merged in policy order: the later wins. */
export function mergeAdvice(annotations: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  return Object.fromEntries(annotations.flatMap((each) => Object.entries(each)));
}

/** What kind of deny the policies ask for (AARM-R4): their `@aarm_decision`, else step-up where advice names a person. */
export function deniedAs(advice: Readonly<Record<string, string>>): 'deny' | 'step_up' | 'defer' {
  const asked = Object.hasOwn(advice, 'aarm_decision') ? advice.aarm_decision?.trim().toLowerCase() : undefined;
  if (asked === 'deny' || asked === 'step_up' || asked === 'defer') return asked;
  return ESCALATION_KEYS.some((key) => Object.hasOwn(advice, key)) ? 'step_up' : 'deny';
}

/** The part of merged annotations that is advice. The reference's bundles give all of them (wire-formats section 4). */
export function adviceIn(
  merged: Readonly<Record<string, string>>,
  request: PolicyEngine['request'],
): Record<string, string> {
  if (request === 'compat') return { ...merged };
  return Object.fromEntries(Object.entries(merged).filter(([key]) => TOLD.includes(key)));
}

/** Advice as a refused agent gets it: a time to live in seconds, which a program need not parse. */
export function adviceToAgent(
  { advice }: Pick<Decision, 'advice'>,
  request: PolicyEngine['request'],
): Record<string, string | number> {
  const { ttl, ...others } = advice;
  const milliseconds = ttl === undefined || request === 'compat' ? null : durationMs(ttl);
  return milliseconds === null ? { ...advice } : { ...others, ttl_seconds: milliseconds / 1000 };
}
