import { TOOL_GROUP } from './actions.ts';
import type { Bundle } from './bundle.ts';
import type { BundlePolicy } from './parse.ts';

/** What a bundle's policies say about calls in general: the questions that a relying party asks of a policy before its hash says anything. */
export interface PolicyIntent {
  /** Ids of permits that hold for every call of a tool, whatever else they permit, in the order of the files. */
  unconditionalPermits: string[];
  /** Whether any forbid exists that is not written so that it never holds for a call. */
  forbids: boolean;
  /** Whether any rule looks at where data goes or at what comes back. */
  decidesOnEgress: boolean;
}

/** Attributes that say where an answer or an argument goes, or what came back (contracts section 7, wire-formats section 5). */
const EGRESS_ATTRIBUTES = new Set([
  'destination_class',
  'response',
  'egress',
  'sensitivity_level',
  'response_size_bytes',
]);

/** Reads the intent of a bundle. It looks at what is written, it does not prove what can be reached. */
export function intentOf({ policies }: Pick<Bundle, 'policies'>): PolicyIntent {
  return {
    unconditionalPermits: policies.filter(permitsEveryCall).map(({ id }) => id),
    forbids: policies.some((policy) => policy.effect === 'forbid' && !neverHolds(policy)),
    decidesOnEgress: policies.some(({ json }) => mentions(json.conditions, EGRESS_ATTRIBUTES)),
  };
}

interface Scope {
  op: string;
  entity?: unknown;
  entities?: readonly unknown[];
  entity_type?: string;
  in?: unknown;
}

const CALLS = { type: 'Action', id: TOOL_GROUP };

function permitsEveryCall({ effect, json }: BundlePolicy): boolean {
  const scopes: Scope[] = [json.principal, json.action, json.resource];
  const open = scopes.every((scope) => scope.op === 'All' || isEveryCall(scope));
  return effect === 'permit' && open && json.conditions.every(({ kind, body }) => constant(body) === (kind === 'when'));
}

function neverHolds({ json }: BundlePolicy): boolean {
  return json.conditions.some(({ kind, body }) => constant(body) === (kind === 'unless'));
}

/** Scopes that name a type or a group of which every call is: agents, tools, calls alone or among other actions. */
function isEveryCall({ op, entity, entities = [], entity_type, ...scope }: Scope): boolean {
  if (op === 'is') return !('in' in scope) && (entity_type === 'Agent' || entity_type === 'Resource');
  return op === 'in' && [entity, ...entities].some((each) => JSON.stringify(each) === JSON.stringify(CALLS));
}

/** The value that an expression has for every call, where that can be read off it; else null. */
function constant(expression: unknown): boolean | null {
  if (typeof expression !== 'object' || expression === null) return null;
  const [[operator, operand] = ['', null]] = Object.entries(expression);
  if (operator === 'Value') return typeof operand === 'boolean' ? operand : null;
  const { left, right, arg, ...branches } = (operand ?? {}) as Record<string, unknown>;
  if (operator === 'is') return isOfType(left, branches);
  if (operator === 'in') return variable(left) === 'action' && namesCalls(right) ? true : null;
  if (operator === '!') return negated(constant(arg));
  if (operator === 'if-then-else') return chosen(branches);
  if (operator in COMPARES) return compared(operator, left, right);
  const sides = [constant(left), constant(right)];
  if (operator === '&&') return sides.includes(false) ? false : sides.includes(null) ? null : true;
  if (operator === '||') return sides.includes(true) ? true : sides.includes(null) ? null : false;
  return null;
}

/** In every call the principal is an Agent and the resource a tool, whose type is Resource. */
function isOfType(left: unknown, { entity_type, in: parent }: Record<string, unknown>): boolean | null {
  const type = new Map([
    ['principal', 'Agent'],
    ['resource', 'Resource'],
  ]).get(variable(left));
  if (type === undefined) return null;
  if (type === entity_type) return parent === undefined ? true : null;
  return entity_type === 'McpResource' || entity_type === 'Prompt' || entity_type === 'Server' ? false : null;
}

function variable(expression: unknown): string {
  const { Var: name } = (expression ?? {}) as { Var?: unknown };
  return typeof name === 'string' ? name : '';
}

/** The group of all calls as it stands in a condition, alone or in a list. */
function namesCalls(expression: unknown): boolean {
  const { Set: members = [expression] } = expression as { Set?: unknown[] };
  return members.some((each) => JSON.stringify(each) === JSON.stringify({ Value: { __entity: CALLS } }));
}

/** A condition that is not constant leaves a constant all the same where both branches are it. */
function chosen({ if: condition, then, else: otherwise }: Record<string, unknown>): boolean | null {
  const which = constant(condition);
  if (which !== null) return constant(which ? then : otherwise);
  return constant(then) === constant(otherwise) ? constant(then) : null;
}

const COMPARES: Record<string, (a: bigint, b: bigint) => boolean> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** A thing compared with itself, or one literal with another. */
function compared(operator: string, left: unknown, right: unknown): boolean | null {
  const [a, b] = [JSON.stringify(left), JSON.stringify(right)];
  if (a === b) return COMPARES[operator]?.(0n, 0n) ?? null;
  const [x, y] = [literal(left), literal(right)];
  if (x === undefined || y === undefined) return null;
  if (typeof x === 'number' && typeof y === 'number') return COMPARES[operator]?.(BigInt(x), BigInt(y)) ?? null;
  return operator === '==' ? x === y : operator === '!=' ? x !== y : null;
}

function literal(expression: unknown): string | number | boolean | undefined {
  const value = (expression as { Value?: unknown } | null)?.Value;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}

function negated(value: boolean | null): boolean | null {
  return value === null ? null : !value;
}

/** Whether an attribute of one of these names is read anywhere inside. */
function mentions(expression: unknown, names: ReadonlySet<string>): boolean {
  if (typeof expression !== 'object' || expression === null) return false;
  const { attr } = expression as { attr?: unknown };
  if (typeof attr === 'string' && names.has(attr)) return true;
  return Object.values(expression).some((inside) => mentions(inside, names));
}
