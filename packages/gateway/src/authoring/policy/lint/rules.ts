import type { Finding } from '../../finding.ts';

/**
 * Every rule of the linter with how bad it is to break it. What is proven to keep a bundle from loading is an error; what people may
 * have meant is a warning; what is only good to know is info.
 */
export const RULES = {
  unreadable: 'error',
  'ill-typed': 'error',
  misfit: 'error',
  'stale-schema': 'warning',
  'cedar-warning': 'warning',
  'not-examined': 'warning',
  'unconditional-permit': 'warning',
  unreachable: 'warning',
  idle: 'info',
  overridden: 'warning',
  shadowed: 'warning',
  duplicate: 'warning',
  'unknown-name': 'warning',
  'impossible-value': 'warning',
  'can-fail': 'warning',
  'asserted-permit': 'warning',
  'asserted-forbid': 'info',
  'never-permitted': 'warning',
  'catch-all-only': 'info',
  'sensitive-to-anyone': 'warning',
  'telemetry-egress': 'warning',
  'void-match': 'warning',
  'flow-gap': 'warning',
} as const satisfies Record<string, Finding['severity']>;

export type RuleId = keyof typeof RULES;

/** A finding of `rule`. */
export function finding(rule: RuleId, where: string, message: string, fix: string): Finding {
  return { rule, severity: RULES[rule], where, message, fix };
}
