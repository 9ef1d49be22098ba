import { checkParseEntities, type EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog, Labels } from '../catalog/types.ts';
import type { EntityType } from './actions.ts';
import { type NativeSchema, SCHEMA_FILE } from './native-schema.ts';
import { projectRecord } from './shape.ts';
import { refuseBundle } from './text.ts';
import type { Askable, Asked } from './types.ts';

/** What a request is about. */
export interface Target {
  type: EntityType;
  id: string;
}

/** The entities that requests are about, by type and name. */
export type NativeEntities = ReadonlyMap<EntityType, ReadonlyMap<string, EntityJson>>;

/** Requests with the same target and action differ in their context only. */
export function targetOf(asked: Asked | Askable): Target {
  switch (asked.action) {
    case 'call_tool':
    case 'get_task':
    case 'update_task':
    case 'cancel_task':
      return { type: 'Resource', id: asked.tool.name };
    case 'read_resource':
    case 'subscribe':
      return { type: 'McpResource', id: asked.resource.name };
    case 'get_prompt':
      return { type: 'Prompt', id: asked.prompt.name };
    case 'complete':
      return { type: 'pattern' in asked.of ? 'McpResource' : 'Prompt', id: asked.of.name };
    case 'elicit':
    case 'sample':
    case 'list_roots':
      return { type: 'Server', id: asked.server.id };
  }
}

/**
 * Everything in `catalog` that the schema's actions are about, with the attributes that the schema declares.
 *
 * @throws GatewayError POLICY_INVALID when an entity does not fit the schema
 */
export function nativeEntities(schema: NativeSchema, catalog: Catalog): NativeEntities {
  return new Map(
    [...schema.entityTypes].map((type) => {
      const entities = entitiesOf(type, catalog).map(({ id, server, attributes }): [string, EntityJson] => {
        const parents = server === null ? [] : [{ type: 'Server', id: server }];
        const attrs = projectRecord(attributes, schema.attributesOf(type), 'fully');
        return [id, { uid: { type, id }, attrs, parents }];
      });
      requireFit(schema, type, entities);
      return [type, new Map(entities)];
    }),
  );
}

interface Described {
  id: string;
  /** The server that it belongs to; null for a server itself. */
  server: string | null;
  attributes: EntityJson['attrs'];
}

function entitiesOf(type: EntityType, catalog: Catalog): Described[] {
  switch (type) {
    case 'Resource':
      return catalog.tools.map((tool) => labelled(tool, { effects: tool.effects }));
    case 'McpResource':
      return catalog.resources.map((resource) =>
        labelled(resource, { template: resource.pattern.kind === 'template' }),
      );
    case 'Prompt':
      return catalog.prompts.map((prompt) => labelled(prompt, {}));
    case 'Server':
      return catalog.servers.map(({ id }) => ({ id, server: null, attributes: {} }));
  }
}

function labelled(labels: Labels, own: EntityJson['attrs']): Described {
  const attributes = {
    server: labels.server.id,
    compliance_domain: labels.complianceDomain,
    sensitivity: labels.sensitivity,
    sensitivity_rank: labels.sensitivityRank,
    destination_class: labels.destinationClass,
    requires_baa: labels.requiresBaa,
    ...own,
  };
  return { id: labels.name, server: labels.server.id, attributes };
}

function requireFit(schema: NativeSchema, type: EntityType, entities: readonly [string, EntityJson][]): void {
  const checked = checkParseEntities({ entities: entities.map(([, entity]) => entity), schema: schema.text });
  if (checked.type === 'success') return;
  const problem = checked.errors.map(({ message }) => message).join('; ');
  throw refuseBundle(SCHEMA_FILE, `the gateway's ${type} entities do not fit: ${problem}`);
}
