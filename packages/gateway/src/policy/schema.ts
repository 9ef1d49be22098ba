import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Catalog, CatalogTool } from '../catalog/types.ts';
import { ACTION_FORMS, type ActionForm, COMMON_CONTEXT, type EntityType, type Member, TOOL_GROUP } from './actions.ts';
import { CEDAR_ESCAPES } from './cedar-value.ts';

/** What the catalog says of anything that an agent may use. */
const LABELS = `  "server": String,
  "compliance_domain": String,
  "sensitivity": String,
  "sensitivity_rank": Long,
  "destination_class": String,
  "requires_baa": Bool,`;

/** Types that the contexts of several actions share, by name. */
const TYPES: Readonly<Record<string, string>> = {
  Session: `{
  "class": String,
  "class_rank": Long,
  "max_class": String,
  "max_class_rank": Long,
  "in_flight": Long,
  "generation": Long,
}`,
  Flow: `{
  "sources": { "tools": Set<String>, "servers": Set<String>, "classes": Set<String> },
  "max_sensitivity": String,
  "max_sensitivity_rank": Long,
  "complete": Bool,
}`,
  Caller: `{
  "subject": String,
  "source": String,
  "scopes": Set<String>,
  "groups": Set<String>,
  "on_behalf_of"?: String,
}`,
  Workflow: '{ "id": String, "source": String }',
  Approval: '{ "approvers": Set<String>, "channel": String, "signed": Bool }',
  Manifest: '{ "id": String, "issuer": String, "intent_hash"?: String }',
  Response: `{
  "size": Long,
  "findings": Long,
  "kinds": Set<String>,
  "injection": Long,
  "class": String,
  "class_rank": Long,
}`,
};

/** Entities and types of contracts section 7, apart from the arguments. */
const COMMON = `// What the gateway asks Cedar: may this agent do this, now? Default deny: what no permit allows is refused.
// One action per tool lets Cedar type the tool's arguments. Write policies with: action in Action::"call_tool".
// Every other thing that an agent, or a server while it serves one, can ask for has an action of its own below.
// A request whose action is not declared here is denied.

// Whoever calls. "scopes" is empty where the credential says nothing of scopes; a user stands in "on_behalf_of" where one is named.
entity Group;
entity Agent in [Group] = {
  "source": String,
  "scopes": Set<String>,
  "on_behalf_of"?: String,
};
entity Server;
// A tool.
entity Resource in [Server] = {
${LABELS}
  "effects": String,
};
// A resource of MCP, or a template of resources.
entity McpResource in [Server] = {
${LABELS}
  "template": Bool,
};
entity Prompt in [Server] = {
${LABELS}
};

// What the agent has been shown (class) and may be shown by this request and those in flight (max_class).
type Session = ${TYPES.Session};
// Where values came from that the request carries. Where not everything that was seen is remembered, it is not complete, and
// max_sensitivity is that of all that was seen.
type Flow = ${TYPES.Flow};
type Caller = ${TYPES.Caller};
type Workflow = ${TYPES.Workflow};
// Present when the request was approved, and is decided again.
type Approval = ${TYPES.Approval};
// Present where the session is bound to an Agent Manifest.
type Manifest = ${TYPES.Manifest};
// Present when the answer is decided: what inspection found in it, and the class of what stays.
type Response = ${TYPES.Response};
type Argument = { "name": String, "value": String };

action ${quoted(TOOL_GROUP)};
`;

const MAX_NESTING = 8;

/** Cedar's text for a type, or why it has none. */
type Typed = { type: string } | { leftOut: string };

/**
 * The Cedar schema of the native request for `catalog`, in Cedar's text form. Arguments of tools are typed from the approved
 * input schemas where Cedar has a type; the rest is left out, with a comment that says why.
 */
export function nativeSchema(catalog: Catalog): string {
  const tools = catalog.tools.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const names = new Set(tools.map(({ name }) => name));
  return [COMMON, ...tools.map(toolAction), ...ACTION_FORMS.map((form) => otherActions(form, names))].join('\n');
}

function toolAction({ name, inputSchema }: CatalogTool): string {
  const given: Member = { name: 'arguments', type: recordType(inputSchema, 2) };
  return `action ${quoted(name)} in [Action::${quoted(TOOL_GROUP)}] ${appliesTo(['Resource'], [given])}`;
}

/** The action of a tool for a schema of any make: it names no type but those of the entities, which each schema has. */
export function standaloneAction(tool: CatalogTool): string {
  return Object.entries(TYPES).reduce(
    (text, [name, type]) => text.replaceAll(new RegExp(`: ${name},$`, 'gm'), `: ${type},`),
    toolAction(tool),
  );
}

/** A tool of the same name keeps it, so that its policies go on to hold; the other action is then not declared. */
function otherActions({ actions, about, entities, context }: ActionForm, tools: ReadonlySet<string>): string {
  const taken = actions.filter((action) => tools.has(action));
  const free = actions.filter((action) => !tools.has(action));
  const comments = taken.map(
    (action) => `// ${quoted(action)} is a tool of this catalog; rename the tool to have both.\n`,
  );
  if (free.length === 0) return comments.join('');
  return `// ${about}\n${comments.join('')}action ${free.map(quoted).join(', ')} ${appliesTo(entities, context)}`;
}

function appliesTo(entities: readonly EntityType[], context: readonly Member[]): string {
  const members = [...context, ...COMMON_CONTEXT].map(({ name, type, optional }) => {
    return `    ${quoted(name)}${optional === true ? '?' : ''}: ${type},`;
  });
  return `appliesTo {
  principal: [Agent],
  resource: [${entities.join(', ')}],
  context: {
${members.join('\n')}
  },
};
`;
}

/** The record of an object schema's properties; `level` is its indentation in steps of two spaces. */
function recordType(schema: JsonObject, level: number): string {
  const properties = objectMember(schema, 'properties');
  const required = member(schema, 'required');
  const requiredNames = Array.isArray(required) ? required : [];
  const indent = '  '.repeat(level + 1);
  const lines = Object.entries(properties).map(([name, property]) => {
    if (CEDAR_ESCAPES.includes(name)) return `${indent}// ${quoted(name)} is left out: the gateway refuses this name.`;
    const typed = typeOf(property, level + 1);
    if ('leftOut' in typed) return `${indent}// ${quoted(name)} is left out: ${typed.leftOut}.`;
    const optional = requiredNames.includes(name) && !mayBeNull(property) ? '' : '?';
    return `${indent}${quoted(name)}${optional}: ${typed.type},`;
  });
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${'  '.repeat(level)}}`;
}

function typeOf(property: JsonValue, level: number): Typed {
  if (!isObject(property)) return { leftOut: 'its schema does not say what it is' };
  if (level > MAX_NESTING) return { leftOut: 'it nests too deep' };
  switch (typeName(property)) {
    case 'string':
      return { type: 'String' };
    case 'integer':
      return { type: 'Long' };
    case 'boolean':
      return { type: 'Bool' };
    case 'number':
      return { leftOut: 'whole numbers reach policies as Long, others as String, and an attribute has one type' };
    case 'array':
      return setType(property, level);
    case 'object':
      return { type: recordType(property, level) };
    default:
      return { leftOut: 'it may have several types, and an attribute has one' };
  }
}

function setType(property: JsonObject, level: number): Typed {
  const items = member(property, 'items');
  if (items === undefined || Object.hasOwn(property, 'prefixItems'))
    return { leftOut: 'its items may have several types' };
  const item = typeOf(items, level);
  if ('leftOut' in item) return { leftOut: `of its items: ${item.leftOut}` };
  // A comment or a line break inside a set type is fine for Cedar.
  return { type: `Set<${item.type}>` };
}

/** The one JSON type of a property apart from null, which Cedar never sees. */
function typeName(property: JsonObject): string | null {
  const combined = ['anyOf', 'oneOf', 'allOf', '$ref', 'not', 'if'].some((key) => Object.hasOwn(property, key));
  if (combined) return null;
  const type = member(property, 'type');
  const names = (Array.isArray(type) ? type : [type]).filter((name) => name !== 'null');
  const [only] = names;
  return names.length === 1 && typeof only === 'string' ? only : null;
}

function mayBeNull(property: JsonValue): boolean {
  const type = isObject(property) ? member(property, 'type') : undefined;
  return Array.isArray(type) && type.includes('null');
}

function objectMember(schema: JsonObject, key: string): JsonObject {
  const found = member(schema, key);
  return isObject(found) ? found : {};
}

/** A Cedar string literal. Everything but plain ASCII is escaped, so that a hostile name stays inside it. */
function quoted(text: string): string {
  const escaped = Array.from(text, (character) => {
    if (/^[ !#-[\]-~]$/.test(character)) return character;
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
  return `"${escaped.join('')}"`;
}
