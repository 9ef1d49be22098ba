import type { PolicyJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from './request.ts';

interface Constraint {
  op: string;
  entity?: unknown;
  entities?: readonly unknown[];
  entity_type?: string;
  in?: { entity?: unknown } | { slot: string };
}

/** An entity, and everything that it is in. */
interface Placed {
  type: string;
  ids: ReadonlySet<string>;
  self: string;
}

/** The three variables of a scope, as far as a scope can look at them. */
export interface ScopeOfRequest {
  principal: Placed;
  action: Placed;
  resource: Placed;
}

/** What scopes can see of a request; `groups`: the actions that its action is in. */
export function scopeOfRequest(
  { principal, action, resource, entities }: CedarRequest,
  groups: readonly string[],
): ScopeOfRequest {
  const parents = new Map(entities.map(({ uid, parents: above }) => [keyOf(uid), above.map(keyOf)]));
  const placed = (uid: TypeAndId, above: readonly string[]): Placed => {
    const self = keyOf(uid);
    return { type: uid.type, self, ids: new Set([self, ...above]) };
  };
  const known = (uid: TypeAndId): Placed => placed(uid, parents.get(keyOf(uid)) ?? []);
  const above = groups.map((id) => keyOf({ type: action.type, id }));
  return { principal: known(principal), action: placed(action, above), resource: known(resource) };
}

/**
 * Whether a policy's scope admits a request. It is what Cedar itself checks first, so that a policy which is left out for its scope can
 * change neither the decision, nor its reasons, nor its errors.
 */
export function admits({ principal, action, resource }: PolicyJson, scope: ScopeOfRequest): boolean {
  return holds(principal, scope.principal) && holds(action, scope.action) && holds(resource, scope.resource);
}

function holds(constraint: Constraint, placed: Placed): boolean {
  switch (constraint.op) {
    case '==':
      return keyOf(constraint.entity) === placed.self;
    case 'in':
      return [constraint.entity, ...(constraint.entities ?? [])].some(
        (each) => each !== undefined && placed.ids.has(keyOf(each)),
      );
    case 'is':
      return (
        constraint.entity_type === placed.type &&
        (constraint.in === undefined || ('entity' in constraint.in && placed.ids.has(keyOf(constraint.in.entity))))
      );
    default:
      // Everything, and whatever a later Cedar may add: Cedar itself then says.
      return true;
  }
}

/** An entity's name as one text. Cedar writes entities in two ways. */
function keyOf(entity: unknown): string {
  const uid = (entity ?? {}) as { type?: unknown; id?: unknown; __entity?: { type: unknown; id: unknown } };
  const { type, id } = uid.__entity ?? uid;
  return JSON.stringify([type, id]);
}
