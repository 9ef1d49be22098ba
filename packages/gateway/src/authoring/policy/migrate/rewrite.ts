import { type Expr, type PolicyJson, policyToJson, policyToText } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from '../../../catalog/types.ts';
import { GatewayError } from '../../../errors.ts';
import { TOOL_GROUP } from '../../../policy/actions.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import { compatAction } from '../../../policy/request-compat.ts';
import { HAS, READ } from './members.ts';

type Node = Record<string, unknown>;
interface Entity {
  type: string;
  id: string;
}

const CALLS = { type: 'Action', id: TOOL_GROUP };
/** The namespace of the reference's published schema. No request is in it. */
const NAMESPACE = 'cMCP::';

/**
 * The text of a policy in the reference's form, rewritten for our requests.
 *
 * @throws GatewayError POLICY_INVALID with the reason why it cannot be rewritten so that it goes on to mean the same
 */
export function rewritten({ text, json }: BundlePolicy, catalog: Catalog): string {
  if (/\d{16}/.test(text)) throw refusal('holds a number that is too long to be rewritten exactly');
  const policy = {
    ...json,
    principal: principalOf(json.principal),
    action: actionOf(json.action, catalog),
    resource: resourceOf(json.resource, catalog),
    conditions: json.conditions.map(({ kind, body }) => ({ kind, body: expression(body, catalog) as Expr })),
  } as PolicyJson;
  return textOf(policy);
}

function textOf(policy: PolicyJson): string {
  const tooLong = refusal(
    'has conditions that are too long for Cedar to write again; split them into several when { … }',
  );
  try {
    const answer = policyToText(policy);
    if (answer.type === 'success') return answer.text;
  } catch {
    // Cedar's binding throws a plain Error for what nests too deep for it: one more way to say no.
    throw tooLong;
  }
  throw tooLong;
}

export function refusal(reason: string): GatewayError {
  return new GatewayError('POLICY_INVALID', reason);
}

/** In the reference's requests everybody is `Agent::"anonymous"`. */
function principalOf(scope: PolicyJson['principal']): unknown {
  if (scope.op === 'All') return scope;
  if (scope.op === 'is' && scope.in === undefined && plain(scope.entity_type) === 'Agent') return { op: 'All' };
  if (scope.op !== '==' || !('entity' in scope)) throw refusal('its scope asks for a principal that no request has');
  const { type, id } = entityIn(scope.entity);
  if (type === 'Agent' && id === 'anonymous') return { op: 'All' };
  // Under the published namespace agents have their own names, as in ours.
  if (type !== `${NAMESPACE}Agent`)
    throw refusal(`is about ${type}::"${id}", but every caller is Agent::"anonymous" there`);
  return { op: '==', entity: { type: 'Agent', id } };
}

function actionOf(scope: PolicyJson['action'], catalog: Catalog): unknown {
  if (scope.op === 'All') return { op: 'in', entity: CALLS };
  const entities = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : [];
  const actions = entities.map((entity) => actionEntity(entityIn(entity), catalog));
  return { op: 'in', entities: actions };
}

function actionEntity({ type, id }: Entity, { tools }: Catalog): Entity {
  if (type === `${NAMESPACE}Action` && id === TOOL_GROUP) return CALLS;
  const tool = plain(type) === 'Action' ? tools.find(({ name }) => compatAction(name) === id) : undefined;
  if (tool === undefined) throw refusal(`names ${type}::"${id}", which is no tool of the catalog`);
  return { type: 'Action', id: tool.name };
}

function resourceOf(scope: PolicyJson['resource'], catalog: Catalog): unknown {
  if (scope.op === 'All') return scope;
  if (scope.op === 'is' && scope.in === undefined && plain(scope.entity_type) === 'Resource') return { op: 'All' };
  if (scope.op !== '==' || !('entity' in scope)) throw refusal('its scope asks for a resource that no request has');
  return { op: '==', entity: toolEntity(entityIn(scope.entity), catalog) };
}

function toolEntity({ type, id }: Entity, { tools }: Catalog): Entity {
  if (plain(type) === 'Resource' && tools.some(({ name }) => name === id)) return { type: 'Resource', id };
  throw refusal(`names ${type}::"${id}", which is no tool of the catalog`);
}

/** An expression with the reference's members replaced by ours, from the outside in. */
function expression(part: unknown, catalog: Catalog): unknown {
  if (Array.isArray(part)) return part.map((each) => expression(each, catalog));
  if (typeof part !== 'object' || part === null) return part;
  const node = part as Node;
  if (node.Var === 'context') throw refusal('uses the context as a whole, which is another in ours');
  if (node.Var === 'principal') throw refusal('looks at the principal in a condition, who is Agent::"anonymous" there');
  if ('Value' in node) return { Value: literal(node.Value, catalog) };
  const own = read(node) ?? asked(node) ?? onServer(node, catalog);
  if (own !== null) return own;
  return Object.fromEntries(Object.entries(node).map(([key, inside]) => [key, expression(inside, catalog)]));
}

function literal(value: unknown, catalog: Catalog): unknown {
  if (typeof value !== 'object' || value === null || !('__entity' in value)) return value;
  const entity = entityIn(value);
  const known = plain(entity.type) === 'Action' ? actionEntity(entity, catalog) : toolEntity(entity, catalog);
  return { __entity: known };
}

/** `context.x`; null for anything else. */
function read(node: Node): unknown {
  const member = memberOf(node['.']);
  if (member === null) return null;
  if (typeof member !== 'string' || !Object.hasOwn(READ, member))
    throw refusal(`reads context.${member}, which cannot be rewritten`);
  return parsed(READ[member] ?? '');
}

/** `context has x`; null for anything else. */
function asked(node: Node): unknown {
  const member = memberOf(node.has);
  if (member === null) return null;
  if (typeof member !== 'string')
    throw refusal(`asks for context has ${member.join('.')}; ask for one member after the other`);
  return parsed(Object.hasOwn(HAS, member) ? (HAS[member] ?? '') : 'false');
}

/** A comparison of the server's address with a text: ours asks which server of the catalog it is. */
function onServer(node: Node, { servers }: Catalog): unknown {
  const [[operator, operand] = ['', null]] = Object.entries(node);
  if (operator !== '==' && operator !== '!=') return null;
  const { left, right } = operand as { left: unknown; right: unknown };
  const sides = [left, right].map((side) => (side as { Value?: unknown }).Value);
  const isServer = [left, right].some((side) => memberOf((side as Node)['.']) === 'server_identity');
  const address = sides.find((side) => typeof side === 'string');
  if (!isServer || address === undefined) return null;
  const ids = servers.filter(({ identity }) => identity === address).map(({ id }) => id);
  const is = `[${ids.map((id) => JSON.stringify(id)).join(', ')}].contains(resource.server)`;
  const here = ids.length === 0 ? 'false' : is;
  return parsed(operator === '==' ? here : `!(${here})`);
}

/** The member of the context that is read or asked for; null where it is none of the context. */
function memberOf(access: unknown): string | string[] | null {
  const { left, attr } = (access ?? {}) as { left?: { Var?: unknown }; attr?: string | string[] };
  if (left?.Var !== 'context' || attr === undefined) return null;
  if (!Array.isArray(attr)) return attr;
  return attr.length === 1 ? (attr[0] ?? '') : attr;
}

function parsed(text: string): unknown {
  const answer = policyToJson(`permit (principal, action, resource) when { ${text} };`);
  if (answer.type === 'failure') throw refusal(`cannot be rewritten with ${text}`);
  return answer.json.conditions[0]?.body;
}

function entityIn(value: unknown): Entity {
  const { __entity: inner, ...own } = value as { __entity?: Entity };
  return inner ?? (own as Entity);
}

function plain(type: string): string {
  return type.startsWith(NAMESPACE) ? type.slice(NAMESPACE.length) : type;
}
