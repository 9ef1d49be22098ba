const ALLOW = `@id("allow") permit (principal, action, resource);`;

/** Out of the house, to somebody who signed nothing about health data: what the published experiment counts as external. */
const EXTERNAL = 'resource.compliance_domain == "external" && !resource.requires_baa';

/** Rank of `hipaa_phi`. */
const HEALTH = 3;

const forbidExternal = (condition: string): string =>
  `${ALLOW}\n@id("block") forbid (principal, action in Action::"call_tool", resource) when { ${EXTERNAL} && ${condition} };`;

/** Three ways to decide about a call out of the house, in Cedar. */
export const POLICIES = {
  /** Once health data was seen, everything is closed. */
  monotonic: forbidExternal(`context.session.max_class_rank >= ${HEALTH}`),
  /** What the call is known to carry decides, and nothing else. */
  known: forbidExternal(`context.flow.sources.classes.containsAny(["hipaa_phi", "mnpi", "trade_secret"])`),
  /** The same; where not everything that was seen is remembered, what was seen decides. */
  complete: forbidExternal(`context.flow.max_sensitivity_rank >= ${HEALTH}`),
} as const;

export type PolicyName = keyof typeof POLICIES;

export const POLICY_TITLES: Readonly<Record<PolicyName, string>> = {
  monotonic: 'monotonic class',
  known: 'known flow only',
  complete: 'flow, and `complete` honoured',
};
