/**
 * What every figure is measured with: one server, two tools with typed arguments, and twelve policies that all can match a call of
 * either, half of them over arguments. More policies are for agents and tools that no call is of.
 */

/** The tools of the server, as it lists them and as the catalog approves them. */
export const TOOLS = [
  { ...tool('find_order', 'Finds an order and what was said about it.'), effects: 'read' },
  { ...tool('update_order', 'Writes a note to an order.'), effects: 'write' },
] as const;

export type ToolName = (typeof TOOLS)[number]['name'];

function tool<N extends string>(name: N, description: string) {
  const properties = {
    order: { type: 'string' },
    note: { type: 'string' },
    amount: { type: 'integer' },
    region: { type: 'string' },
  };
  const inputSchema = {
    type: 'object',
    properties,
    required: ['order', 'note', 'amount'],
    additionalProperties: false,
  };
  return { name, definition: { name, description, inputSchema } };
}

/** Arguments that no other call has, of about 200 bytes with the rest of the message, and `padding` more. */
export function argumentsOf(call: number, padding = 0): Record<string, string | number> {
  const order = `O-${String(call).padStart(8, '0')}-${(call * 2_654_435_761) % 1_000_003}`;
  return {
    order,
    note: `Asked on line ${call % 97}, about delivery.${' again'.repeat(padding / 6)}`,
    amount: call % 9_973,
  };
}

const BOTH = 'action in [Action::"find_order", Action::"update_order"]';

const CONDITIONS: readonly [id: string, condition: string][] = [
  ['no-large-amounts', 'context.arguments.amount > 10000'],
  [
    'no-statements-in-notes',
    'context.arguments.note like "*DROP TABLE*" || context.arguments.note like "*UNION SELECT*"',
  ],
  ['no-other-regions', 'context.arguments has region && !["eu", "us"].contains(context.arguments.region)'],
  ['no-foreign-orders', '!(context.arguments.order like "O-*")'],
  ['no-amount-in-the-clear', 'context.arguments.amount > 9990 && resource.destination_class == "external"'],
  ['no-tests-in-production', 'context.arguments.note like "*[test]*"'],
  ['not-after-secrets', 'context.session.max_class_rank > 3'],
  ['not-many-at-a-time', 'context.session.in_flight > 500'],
  ['no-secrets-outside', 'context.flow.max_sensitivity_rank > 3 && resource.destination_class == "external"'],
  ['nothing-unknown-to-the-public', '!context.flow.complete && resource.sensitivity_rank > 3'],
  ['not-over-stdio', 'context.caller.source == "stdio"'],
];

/** The text of a bundle of `count` policies, of which the first twelve can match; with fewer, so many of them. */
export function policiesOf(count: number): string {
  const permit = `@id("agent-works-on-orders")\npermit (principal == Agent::"bench", ${BOTH}, resource);`;
  const forbids = CONDITIONS.map(
    ([id, condition]) => `@id("${id}")\nforbid (principal, ${BOTH}, resource) when { ${condition} };`,
  );
  const unrelated = Array.from({ length: Math.max(0, count - 12) }, (_, at) => {
    const effect = at % 3 === 0 ? 'permit' : 'forbid';
    return `@id("other-${at}")\n${effect} (principal == Agent::"other-${at}", ${BOTH}, resource) when { context.arguments.amount > ${at} };`;
  });
  return [permit, ...forbids, ...unrelated].slice(0, count).join('\n\n');
}
