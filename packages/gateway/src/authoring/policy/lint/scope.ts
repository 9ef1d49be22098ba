import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { TOOL_GROUP } from '../../../policy/actions.ts';
import type { CedarScope } from '../../../policy/request.ts';
import { entitiesIn } from './expression.ts';

/** The entities that a scope asks requests to be about, one of each; null where it asks for none by name. */
export interface NamedScope {
  principal: ReadonlySet<string> | null;
  action: ReadonlySet<string> | null;
  resource: ReadonlySet<string> | null;
}

export function namedScope({ principal, action, resource }: PolicyJson): NamedScope {
  return {
    principal: principal.op === '==' ? named(principal) : null,
    action: action.op === 'All' ? null : named(action),
    resource: resource.op === '==' ? named(resource) : null,
  };
}

/**
 * Whether a scope leaves a request to what else the policy says: false only for what Cedar's own meaning of a scope keeps from
 * matching. Actions are in themselves and, where `grouped`, in the group of tools, and in nothing else.
 */
export function scopeAdmits(scope: NamedScope, request: CedarScope, grouped: boolean): boolean {
  const { principal, action, resource } = scope;
  const inGroup = grouped && (action?.has(keyOf({ type: 'Action', id: TOOL_GROUP })) ?? false);
  return (
    (principal?.has(keyOf(request.principal)) ?? true) &&
    (inGroup || (action?.has(keyOf(request.action)) ?? true)) &&
    (resource?.has(keyOf(request.resource)) ?? true)
  );
}

function named(scope: object): Set<string> {
  return new Set(entitiesIn(scope).map(keyOf));
}

function keyOf({ type, id }: { type: string; id: string }): string {
  return `${type}::${id}`;
}
