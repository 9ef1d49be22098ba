import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from '../catalog/types.ts';
import type { BundlePolicy } from './parse.ts';
import { resourceEntity } from './request-compat.ts';
import { refuseBundle } from './text.ts';

/**
 * Refuses a policy whose scope names a type that the compatibility request never has: it would load, never match, and if
 * it is a forbid, forbid nothing. Policies under the reference's published namespace `cMCP` are the usual case; they are
 * rewritten by their author, never guessed at (contracts section 7).
 *
 * @throws GatewayError POLICY_INVALID with the file
 */
export function refuseForeignScopes(policies: readonly BundlePolicy[], catalog: Catalog): void {
  const resources = new Set(['Resource', ...catalog.tools.flatMap((tool) => resourceEntity(tool.name)?.type ?? [])]);
  for (const { path, id, json } of policies) {
    const foreign =
      typesIn(json.principal).find((type) => type !== 'Agent') ??
      typesIn(json.action).find((type) => type !== 'Action') ??
      typesIn(json.resource).find((type) => !resources.has(type));
    if (foreign === undefined) continue;
    throw refuseBundle(
      path,
      `${id} is about ${foreign}, which no request has, so it would never match; write Agent, Action::"ToolName" and Resource::"tool_name"`,
    );
  }
}

type Scope = PolicyJson['principal'] | PolicyJson['action'] | PolicyJson['resource'];

/** The entity types that a scope constraint names. */
function typesIn(scope: Scope): string[] {
  const entities: unknown[] = [];
  if ('entity' in scope) entities.push(scope.entity);
  if ('entities' in scope) entities.push(...scope.entities);
  const named = entities.map(typeOf);
  if (scope.op !== 'is') return named;
  return [
    scope.entity_type,
    ...named,
    ...(scope.in !== undefined && 'entity' in scope.in ? [typeOf(scope.in.entity)] : []),
  ];
}

/** Cedar writes an entity plainly or behind `__entity`. */
function typeOf(entity: unknown): string {
  if (typeof entity !== 'object' || entity === null) return '';
  if ('__entity' in entity) return typeOf(entity.__entity);
  return 'type' in entity && typeof entity.type === 'string' ? entity.type : '';
}
