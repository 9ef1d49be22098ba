import {
  type ActionType,
  type NamespaceDefinition,
  type SchemaJson,
  type SchemaToJsonAnswer,
  schemaToJsonWithResolvedTypes,
  type Type,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from '../catalog/types.ts';
import { ACTION_FORMS, COMMON_CONTEXT, type EntityType, type Member, TOOL_GROUP } from './actions.ts';
import { type RecordShape, shapeOf } from './shape.ts';
import { refuseBundle } from './text.ts';
import type { OtherAction } from './types.ts';

export const SCHEMA_FILE = 'schema.cedarschema';

/** What a bundle's schema says of the requests that the gateway makes. */
export interface NativeSchema {
  text: string;
  /** Actions besides those of tools that are declared. The rest is denied. */
  others: ReadonlySet<OtherAction>;
  /** The context of each action that requests may have, by its name. */
  contexts: ReadonlyMap<string, RecordShape>;
  /** Whether every subject is an agent: a schema may name those that are. */
  anyAgent: boolean;
  /** `isGroup`: which groups an agent can be in; null: none. `attributes`: what is declared of agents. */
  agent: { isGroup: ((name: string) => boolean) | null; attributes: RecordShape };
  /** What requests may be about. */
  entityTypes: ReadonlySet<EntityType>;
  /** The attributes that entities of a type are declared with. */
  attributesOf(type: EntityType): RecordShape;
}

/** An action as the gateway makes it. */
interface Made {
  name: string;
  entities: readonly EntityType[];
  context: readonly Member[];
}

interface Declared {
  schema: SchemaJson<string>;
  top: NamespaceDefinition<string>;
}

/**
 * Reads a bundle's schema and holds it against `catalog` and the gateway's requests: each tool must have its action there, in
 * `call_tool` and in nothing else. Other actions may be missing; those that are there must fit.
 *
 * @throws GatewayError POLICY_INVALID that says what to change
 */
export function readNativeSchema(text: string, catalog: Catalog): NativeSchema {
  const schema = readSchema(schemaToJsonWithResolvedTypes(text));
  const top = schema[''];
  if (top === undefined) throw refuseBundle(SCHEMA_FILE, 'declares nothing outside namespaces');
  const declared = { schema, top };
  requireGroup(top);
  const tools = catalog.tools.map(({ name }): [string, RecordShape] => [name, toolContext(declared, name)]);
  const others = otherContexts(declared);
  const about = ACTION_FORMS.filter(({ actions }) => actions.some((action) => others.has(action)));
  return {
    text,
    others: new Set(others.keys()),
    contexts: new Map([...tools, ...others]),
    anyAgent: !('enum' in (top.entityTypes.Agent ?? {})),
    agent: { isGroup: groupsIn(top), attributes: attributesOf(declared, 'Agent') },
    entityTypes: new Set(['Resource', ...about.flatMap(({ entities }) => entities)]),
    attributesOf: (type) => attributesOf(declared, type),
  };
}

/** @throws GatewayError POLICY_INVALID for what is no schema */
export function readSchema(answer: SchemaToJsonAnswer): SchemaJson<string> {
  if (answer.type === 'success') return answer.json;
  throw refuseBundle(SCHEMA_FILE, answer.errors.map(({ message }) => message).join('; '));
}

function requireGroup(top: NamespaceDefinition<string>): void {
  const group = actionOf(top, TOOL_GROUP);
  if (group === undefined) throw refuseBundle(SCHEMA_FILE, 'declares no action "call_tool"; add: action "call_tool";');
  if ((group.memberOf ?? []).length > 0)
    throw refuseBundle(SCHEMA_FILE, 'Action::"call_tool" may not be in another action');
}

/** A tool outside `call_tool` would escape every `forbid (…, action in Action::"call_tool", …)`. */
function toolContext(declared: Declared, tool: string): RecordShape {
  const action = actionOf(declared.top, tool);
  if (action === undefined) {
    throw refuseBundle(
      SCHEMA_FILE,
      `declares no action "${tool}", which is a tool of the catalog; add it in Action::"call_tool"`,
    );
  }
  const groups = groupsOf(action);
  if (groups.length !== 1 || groups[0] !== TOOL_GROUP) {
    throw refuseBundle(SCHEMA_FILE, `Action::"${tool}" must be in Action::"call_tool" and in nothing else`);
  }
  const context = [{ name: 'arguments', type: '' }];
  return contextOf(declared, action, { name: tool, entities: ['Resource'], context });
}

function otherContexts(declared: Declared): ReadonlyMap<OtherAction, RecordShape> {
  const found = new Map<OtherAction, RecordShape>();
  for (const { actions, ...form } of ACTION_FORMS) {
    for (const name of actions) {
      const action = actionOf(declared.top, name);
      // In the group of tools it is a tool's, of this catalog or of another: nothing is declared of the other action.
      if (action === undefined || groupsOf(action).includes(TOOL_GROUP)) continue;
      if (groupsOf(action).length > 0)
        throw refuseBundle(SCHEMA_FILE, `Action::"${name}" may not be in another action`);
      found.set(name, contextOf(declared, action, { name, ...form }));
    }
  }
  return found;
}

function contextOf({ schema }: Declared, action: ActionType<string>, made: Made): RecordShape {
  const { principalTypes = [], resourceTypes = [], context } = action.appliesTo ?? {};
  if (!principalTypes.includes('Agent') || !made.entities.every((type) => resourceTypes.includes(type))) {
    const resources = made.entities.join(' and ');
    throw refuseBundle(SCHEMA_FILE, `Action::"${made.name}" must apply to principal Agent and resource ${resources}`);
  }
  const shape = recordOf(schema, context);
  requireSent(shape, made);
  return shape;
}

function requireSent(shape: RecordShape, { name, context }: Made): void {
  const sent = new Set([...context, ...COMMON_CONTEXT].flatMap((member) => (member.optional ? [] : [member.name])));
  for (const [key, { required }] of shape.attributes) {
    if (!required || sent.has(key)) continue;
    throw refuseBundle(
      SCHEMA_FILE,
      `Action::"${name}" requires context.${key}, which not every request has; write "${key}"?`,
    );
  }
}

/** A policy can name no group that a schema which lists them leaves out. */
function groupsIn({ entityTypes }: NamespaceDefinition<string>): NativeSchema['agent']['isGroup'] {
  const { Agent: agent, Group: group } = entityTypes;
  if (agent === undefined || group === undefined || !('memberOfTypes' in agent)) return null;
  if (!agent.memberOfTypes?.includes('Group')) return null;
  if (!('enum' in group)) return () => true;
  const listed: readonly string[] = group.enum;
  return (name) => listed.includes(name);
}

function attributesOf({ schema, top }: Declared, type: EntityType | 'Agent'): RecordShape {
  const declared = Object.hasOwn(top.entityTypes, type) ? top.entityTypes[type] : undefined;
  return recordOf(schema, declared !== undefined && 'shape' in declared ? declared.shape : undefined);
}

/** Cedar admits records alone for contexts and entities; nothing is declared where there is none. */
function recordOf(schema: SchemaJson<string>, type: Type<string> | undefined): RecordShape {
  const shape = type === undefined ? null : shapeOf(schema, type);
  return shape?.kind === 'record' ? shape : { kind: 'record', attributes: new Map() };
}

/** The actions that an action is in; an empty name for one of another namespace. */
function groupsOf(action: ActionType<string>): string[] {
  return (action.memberOf ?? []).map(({ id, type }) => (type === undefined || type === 'Action' ? id : ''));
}

function actionOf(top: NamespaceDefinition<string>, name: string): ActionType<string> | undefined {
  return Object.hasOwn(top.actions, name) ? top.actions[name] : undefined;
}
