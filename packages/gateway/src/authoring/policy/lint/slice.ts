import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { TOOL_GROUP } from '../../../policy/actions.ts';
import type { CedarRequest } from '../../../policy/request.ts';
import { entitiesIn } from './expression.ts';

/**
 * Whether the scope of a policy leaves a request to its conditions, as far as equality tells: false only for what Cedar's own meaning of
 * a scope keeps from matching. `grouped`: the action is in the group of tools.
 */
export function scopeAdmits(
  { principal, action, resource }: PolicyJson,
  request: CedarRequest,
  grouped: boolean,
): boolean {
  return (
    equals(principal, request.principal) &&
    equals(resource, request.resource) &&
    equals(action, request.action) &&
    (action.op !== 'in' || isIn(action, request.action.id, grouped))
  );
}

function equals(scope: { op: string }, { type, id }: { type: string; id: string }): boolean {
  return scope.op !== '==' || entitiesIn(scope).some((entity) => entity.type === type && entity.id === id);
}

/** Actions are in themselves and in the group of tools, and in nothing else. */
function isIn(scope: { op: string }, action: string, grouped: boolean): boolean {
  return entitiesIn(scope).some(({ id }) => id === action || (grouped && id === TOOL_GROUP));
}
