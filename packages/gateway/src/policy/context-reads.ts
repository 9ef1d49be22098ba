import type { CedarValueJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Members of a record that are read: each whole (null), or what is read of it. */
export type Reads = Map<string, Reads | null>;

/** What the conditions of policies read of the context; null: all of it. */
export function contextReads(policies: readonly Pick<PolicyJson, 'conditions'>[]): Reads | null {
  const paths = policies.flatMap(({ conditions }) => conditions.flatMap(({ body }) => pathsIn(body)));
  if (paths.some((path) => path.length === 0)) return null;
  const reads: Reads = new Map();
  for (const path of paths) add(reads, path);
  return reads;
}

/** The members of a record that are read: conditions cannot tell it from the whole. */
export function onlyRead(record: Record<string, CedarValueJson>, reads: Reads | null): Record<string, CedarValueJson> {
  if (reads === null) return record;
  const kept: [string, CedarValueJson][] = [];
  for (const [name, inner] of reads) {
    if (!Object.hasOwn(record, name)) continue;
    const value = record[name] ?? null;
    kept.push([name, inner !== null && isRecord(value) ? onlyRead(value, inner) : value]);
  }
  return Object.fromEntries(kept);
}

function add(reads: Reads, [first = '', ...rest]: readonly string[]): void {
  const known = reads.get(first);
  // Read whole already.
  if (known === null) return;
  if (rest.length === 0) {
    reads.set(first, null);
    return;
  }
  const inner = known ?? new Map();
  reads.set(first, inner);
  add(inner, rest);
}

/** Each longest chain of attributes from `context`; empty for `context` itself. */
function pathsIn(expression: unknown): string[][] {
  const paths: string[][] = [];
  const waiting: unknown[] = [expression];
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    const path = chainOf(each);
    if (path !== null) paths.push(path);
    // A literal holds no expressions.
    else if (typeof each === 'object' && each !== null && !('Value' in each)) waiting.push(...Object.values(each));
  }
  return paths;
}

/** `context.a.b` and `context.a has b` alike; null for anything else. */
function chainOf(expression: unknown): string[] | null {
  if (typeof expression !== 'object' || expression === null) return null;
  if ('Var' in expression) return expression.Var === 'context' ? [] : null;
  const step = 'has' in expression ? expression.has : '.' in expression ? expression['.'] : null;
  if (typeof step !== 'object' || step === null || !('left' in step) || !('attr' in step)) return null;
  const before = chainOf(step.left);
  return before === null ? null : [...before, ...[step.attr].flat().map(String)];
}

function isRecord(value: CedarValueJson): value is Record<string, CedarValueJson> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
