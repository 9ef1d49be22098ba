import type { Bundle } from './bundle.ts';
import type { BundlePolicy } from './parse.ts';

/** What a bundle's policies say about calls in general: the questions that a relying party asks of a policy before its hash says anything. */
export interface PolicyIntent {
  /** Ids of permits that hold for every call, in the order of the files. */
  unconditionalPermits: string[];
  /** Whether any forbid exists that could take something back. */
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
    unconditionalPermits: policies.filter(permitsEverything).map(({ id }) => id),
    forbids: policies.some(({ effect }) => effect === 'forbid'),
    decidesOnEgress: policies.some(({ json }) => mentions(json.conditions, EGRESS_ATTRIBUTES)),
  };
}

function permitsEverything({ effect, json }: BundlePolicy): boolean {
  const scopes = [json.principal, json.action, json.resource] as {
    op: string;
    entity?: unknown;
    entity_type?: string;
  }[];
  const open = scopes.every((scope) => scope.op === 'All' || isEveryOne(scope));
  return effect === 'permit' && open && json.conditions.every(({ kind, body }) => constant(body) === (kind === 'when'));
}

/** Scopes that name a type or a group of which every request is: agents, resources, calls. */
function isEveryOne({ op, entity, entity_type }: { op: string; entity?: unknown; entity_type?: string }): boolean {
  if (op === 'is') return entity_type === 'Agent' || entity_type === 'Resource';
  return op === 'in' && JSON.stringify(entity) === JSON.stringify({ type: 'Action', id: 'call_tool' });
}

/** The value that an expression has in every request, where that can be read off it; else null. */
function constant(expression: unknown): boolean | null {
  if (typeof expression !== 'object' || expression === null) return null;
  const [[operator, operand] = ['', null]] = Object.entries(expression);
  if (operator === 'Value') return typeof operand === 'boolean' ? operand : null;
  const { left, right, arg } = (operand ?? {}) as { left?: unknown; right?: unknown; arg?: unknown };
  if (operator === '!') return negated(constant(arg));
  if (operator === '==') return JSON.stringify(left) === JSON.stringify(right) ? true : null;
  const sides = [constant(left), constant(right)];
  if (operator === '&&') return sides.includes(false) ? false : sides.includes(null) ? null : true;
  if (operator === '||') return sides.includes(true) ? true : sides.includes(null) ? null : false;
  return null;
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
