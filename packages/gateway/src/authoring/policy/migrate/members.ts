/**
 * What a member of the reference's context is in ours, as Cedar writes it. Where the reference has the member only when the answer is
 * decided, ours reads `context.response`, so that a rule that does not test for it is refused by Cedar's types instead of meaning less.
 */
export const READ: Readonly<Record<string, string>> = {
  arguments: 'context.arguments',
  compliance_domain: 'resource.compliance_domain',
  baa_covered: '!resource.requires_baa',
  destination_class: '"external"',
  session_max_sensitivity:
    'if context has response && context.response.class_rank > context.session.max_class_rank then context.response.class else context.session.max_class',
  attestation_platform: 'context.platform',
  workflow_id: 'context.workflow.id',
  egress: 'context.response.size >= 0',
  sensitivity_level:
    'if context.response.class_rank > context.session.max_class_rank then context.response.class_rank else context.session.max_class_rank',
  injection_events: 'context.response.injection',
  reset_count: 'if context.response.size >= 0 then context.session.generation else 0',
  response_size_bytes: 'context.response.size',
};

/** Whether a request has the member. Those that are not here, no request of the reference has. */
export const HAS: Readonly<Record<string, string>> = {
  arguments: 'true',
  server_identity: 'true',
  compliance_domain: 'true',
  baa_covered: 'true',
  destination_class: 'true',
  session_max_sensitivity: 'true',
  attestation_platform: 'true',
  workflow_id: 'context has workflow',
  egress: 'context has response',
  sensitivity_level: 'context has response',
  injection_events: 'context has response',
  reset_count: 'context has response',
  response_size_bytes: 'context has response',
};
