import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from '../catalog/types.ts';
import { annotationLine, type BundlePolicy } from './parse.ts';
import { redactionsOf } from './redaction.ts';
import type { Ranks } from './sensitivity.ts';
import { refuseBundle } from './text.ts';
import type { Asked } from './types.ts';

/** Actions without an answer to the agent that has content; a completion is text, of which nothing would be left. */
const NOTHING_TO_REDACT: readonly string[] = [
  'subscribe',
  'complete',
  'elicit',
  'sample',
  'list_roots',
  'update_task',
  'cancel_task',
] satisfies Asked['action'][];

/**
 * Refuses redactions that could not be carried out: of actions without an answer to redact, and of classes that nobody defined.
 *
 * @throws GatewayError POLICY_INVALID with file and line
 */
export function requireRedactable(
  policies: readonly BundlePolicy[],
  catalog: Catalog,
  ranks: Ranks,
  request: 'native' | 'compat',
): void {
  const tools = new Set(catalog.tools.map(({ name }) => name));
  for (const policy of policies) {
    const redactions = redactionsOf(policy);
    if (redactions.length === 0) continue;
    const refuse = (problem: string): Error =>
      refuseBundle(policy.path, `@redact ${problem}`, annotationLine(policy, 'redact'));
    for (const redaction of redactions) {
      if (redaction.kind !== 'class' || ranks.has(redaction.label)) continue;
      throw refuse(`names the class ${redaction.label}; known are ${[...ranks.keys()].join(', ')}`);
    }
    const action = request === 'native' ? withoutAnswer(policy.json.action, tools) : null;
    if (action !== null)
      throw refuse(
        `stands on a permit for ${action}; name what it is about: call_tool, read_resource, get_prompt, get_task or a tool`,
      );
  }
}

/** The first action of a scope that has no answer to redact; null where each has. */
function withoutAnswer(scope: PolicyJson['action'], tools: ReadonlySet<string>): string | null {
  if (scope.op === 'All') return 'every action';
  const named = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : [];
  const ids = named.map((entity) => ('__entity' in entity ? entity.__entity.id : entity.id));
  return ids.find((id) => NOTHING_TO_REDACT.includes(id) && !tools.has(id)) ?? null;
}
