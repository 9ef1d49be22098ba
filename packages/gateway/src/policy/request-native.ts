import {
  type ActionType,
  type CedarValueJson,
  checkParseEntities,
  type EntityJson,
  type NamespaceDefinition,
  type SchemaJson,
  schemaToJsonWithResolvedTypes,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog, CatalogTool } from '../catalog/types.ts';
import { cedarRecord, cedarText, NotEvaluable } from './cedar-value.ts';
import type { CedarRequest, RequestBuilder } from './request.ts';
import { firstMismatch, project, type Shape, shapeOf } from './shape.ts';
import { refuseBundle } from './text.ts';
import type { DecisionInput } from './types.ts';

const SCHEMA_FILE = 'schema.cedarschema';

/** Context members that every request has; a schema may not require others. */
const ALWAYS_SENT: readonly string[] = ['arguments', 'session', 'caller', 'platform', 'trust_level'];

interface ToolRequest {
  context: Shape & { kind: 'record' };
  entities: EntityJson[];
}

/**
 * The request of contracts section 7, checked at load against the bundle's schema: each tool of the catalog must have its
 * action there, in `call_tool` and in nothing else, and entities that fit.
 *
 * @throws GatewayError POLICY_INVALID
 */
export function nativeRequests(schemaText: string, catalog: Catalog): RequestBuilder {
  const parsed = schemaToJsonWithResolvedTypes(schemaText);
  if (parsed.type === 'failure')
    throw refuseBundle(SCHEMA_FILE, parsed.errors.map(({ message }) => message).join('; '));
  const schema = parsed.json;
  const top = schema[''];
  if (top === undefined) throw refuseBundle(SCHEMA_FILE, 'declares nothing outside namespaces');
  requireGroup(top);
  const tools = new Map(
    catalog.tools.map((tool): [string, ToolRequest] => {
      return [
        tool.name,
        { context: contextShape(schema, top, tool.name), entities: [resourceEntity(schema, top, tool)] },
      ];
    }),
  );
  requireEntities(schemaText, tools);
  return { build: (input) => build(tools, input), explain: (request) => explain(tools, request) };
}

function build(tools: ReadonlyMap<string, ToolRequest>, input: DecisionInput): CedarRequest {
  const { tool, caller } = input;
  const known = tools.get(tool.name);
  if (known === undefined) throw new NotEvaluable('the tool is not in the catalog that the policy was loaded with');
  const context: [string, CedarValueJson][] = [];
  for (const [key, value] of Object.entries(contextOf(input))) {
    const attribute = known.context.attributes.get(key);
    const described = key === 'arguments' ? tool.inputSchema : 'fully';
    if (attribute !== undefined) context.push([key, project(value, attribute.shape, described)]);
  }
  return {
    principal: { type: 'Agent', id: caller.subject },
    action: { type: 'Action', id: tool.name },
    resource: { type: 'Resource', id: tool.name },
    context: Object.fromEntries(context),
    entities: known.entities,
  };
}

function contextOf({ session, caller, workflow, response, ...input }: DecisionInput): Record<string, CedarValueJson> {
  const context: Record<string, CedarValueJson> = {
    arguments: cedarRecord(input.arguments, 'lexeme'),
    session: {
      class: session.class,
      class_rank: session.classRank,
      max_class: session.maxClass,
      max_class_rank: session.maxClassRank,
      in_flight: session.inFlight,
      generation: session.generation,
    },
    caller: { subject: caller.subject, source: caller.source },
    platform: input.platform,
    trust_level: input.trustLevel,
  };
  if (workflow !== null) context.workflow = { id: cedarText(workflow), source: 'asserted' };
  if (response !== undefined) {
    const { sizeBytes, findings, classRank } = response;
    context.response = { size: sizeBytes, findings, class: response.class, class_rank: classRank };
  }
  return context;
}

function explain(tools: ReadonlyMap<string, ToolRequest>, request: CedarRequest): string {
  const shape = tools.get(request.action.id)?.context;
  const mismatch = shape === undefined ? null : firstMismatch(request.context, shape, 'context');
  return mismatch ?? 'Cedar cannot read the request under schema.cedarschema';
}

function resourceEntity(schema: SchemaJson<string>, top: NamespaceDefinition<string>, tool: CatalogTool): EntityJson {
  const attributes = {
    server: tool.server.id,
    compliance_domain: tool.complianceDomain,
    sensitivity: tool.sensitivity,
    sensitivity_rank: tool.sensitivityRank,
    destination_class: tool.destinationClass,
    effects: tool.effects,
    requires_baa: tool.requiresBaa,
  };
  const declared = Object.hasOwn(top.entityTypes, 'Resource') ? top.entityTypes.Resource : undefined;
  const shape = declared !== undefined && 'shape' in declared && declared.shape !== undefined ? declared.shape : null;
  const attrs =
    shape === null
      ? {}
      : Object.fromEntries(Object.entries(project(attributes, shapeOf(schema, shape), 'fully') ?? {}));
  return { uid: { type: 'Resource', id: tool.name }, attrs, parents: [{ type: 'Server', id: tool.server.id }] };
}

function requireGroup(top: NamespaceDefinition<string>): void {
  const group = actionOf(top, 'call_tool');
  if (group === undefined) throw refuseBundle(SCHEMA_FILE, 'declares no action "call_tool"; add: action "call_tool";');
  if ((group.memberOf ?? []).length > 0)
    throw refuseBundle(SCHEMA_FILE, 'Action::"call_tool" may not be in another action');
}

/** A tool outside `call_tool` would escape every `forbid (…, action in Action::"call_tool", …)`. */
function contextShape(
  schema: SchemaJson<string>,
  top: NamespaceDefinition<string>,
  tool: string,
): ToolRequest['context'] {
  const action = actionOf(top, tool);
  if (action === undefined) {
    throw refuseBundle(
      SCHEMA_FILE,
      `declares no action "${tool}", which is a tool of the catalog; add it in Action::"call_tool"`,
    );
  }
  const parents = (action.memberOf ?? []).map(({ id, type }) => (type === undefined || type === 'Action' ? id : ''));
  if (parents.length !== 1 || parents[0] !== 'call_tool') {
    throw refuseBundle(SCHEMA_FILE, `Action::"${tool}" must be in Action::"call_tool" and in nothing else`);
  }
  const { principalTypes = [], resourceTypes = [], context } = action.appliesTo ?? {};
  if (!principalTypes.includes('Agent') || !resourceTypes.includes('Resource')) {
    throw refuseBundle(SCHEMA_FILE, `Action::"${tool}" must apply to principal Agent and resource Resource`);
  }
  const shape: Shape = context === undefined ? { kind: 'record', attributes: new Map() } : shapeOf(schema, context);
  if (shape.kind !== 'record') throw refuseBundle(SCHEMA_FILE, `the context of Action::"${tool}" must be a record`);
  for (const [key, { required }] of shape.attributes) {
    if (required && !ALWAYS_SENT.includes(key)) {
      throw refuseBundle(
        SCHEMA_FILE,
        `Action::"${tool}" requires context.${key}, which not every request has; write "${key}"?`,
      );
    }
  }
  return shape;
}

function actionOf(top: NamespaceDefinition<string>, name: string): ActionType<string> | undefined {
  return Object.hasOwn(top.actions, name) ? top.actions[name] : undefined;
}

function requireEntities(schemaText: string, tools: ReadonlyMap<string, ToolRequest>): void {
  const entities = [...tools.values()].flatMap((tool) => tool.entities);
  const checked = checkParseEntities({ entities, schema: schemaText });
  if (checked.type === 'success') return;
  const problem = checked.errors.map(({ message }) => message).join('; ');
  throw refuseBundle(SCHEMA_FILE, `the gateway's Resource entities do not fit: ${problem}`);
}
