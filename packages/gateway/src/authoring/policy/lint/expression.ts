import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Any part of a policy in Cedar's JSON form that is an object: `[operator, operands]` pairs, or a plain record. */
type Node = Record<string, unknown>;

/** Every object inside, outermost first. */
export function* nodesIn(value: unknown): Generator<Node> {
  const waiting: unknown[] = [value];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next)) yield next as Node;
    waiting.push(...Object.values(next));
  }
}

/** Whether objects and lists nest deeper inside than `most` levels. */
export function nestsDeeper(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= most && level.length > 0; depth += 1) {
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []));
  }
  return level.length > 0;
}

/** Every text inside: literals, names of attributes and entities. */
export function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  for (const node of nodesIn(value)) {
    for (const inside of Object.values(node).flat()) if (typeof inside === 'string') yield inside;
  }
}

/** `context.arguments.to` as its three names; null for what is no chain of attributes of a variable. */
export function pathOf(expression: unknown): string[] | null {
  const { Var: variable, '.': access } = asNode(expression);
  if (typeof variable === 'string') return [variable];
  const { left, attr } = asNode(access);
  const before = typeof attr === 'string' ? pathOf(left) : null;
  return before === null ? null : [...before, attr as string];
}

/** The paths that the conditions read, or ask for with `has`. */
export function pathsIn({ conditions }: PolicyJson): string[][] {
  return [...nodesIn(conditions)].flatMap((node) => {
    const read = pathOf(node);
    const { left, attr } = asNode(node.has);
    const before = attr === undefined ? null : pathOf(left);
    const asked = before === null ? null : [...before, ...[attr].flat().map(String)];
    return [read, asked].filter((path) => path !== null);
  });
}

/** The entities that are named inside. */
export function entitiesIn(value: unknown): { type: string; id: string }[] {
  return [...nodesIn(value)].flatMap(({ type, id }) =>
    typeof type === 'string' && typeof id === 'string' ? [{ type, id }] : [],
  );
}

/** A value that stands for any value, under a name that is found again in what Cedar leaves open. */
export function unknown(name: string): { __extn: { fn: string; arg: string } } {
  return { __extn: { fn: 'unknown', arg: name } };
}

/** Whether what Cedar left open depends on {@link unknown} `name`. */
export function dependsOn(residual: unknown, name: string): boolean {
  const wanted = JSON.stringify([{ Value: name }]);
  return [...nodesIn(residual)].some((node) => JSON.stringify(node.unknown) === wanted);
}

function asNode(value: unknown): Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : {};
}
