import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { nodesIn } from './expression.ts';

/** The least and the greatest value that an expression can have. */
type Range = readonly [bigint, bigint];

const LONG: Range = [-(2n ** 63n), 2n ** 63n - 1n];
/** Every number that reaches Cedar is a safe integer (contracts section 7). */
const GIVEN: Range = [-(2n ** 53n) + 1n, 2n ** 53n - 1n];

const CALCULATE: Record<string, (a: Range, b: Range) => bigint[]> = {
  '+': ([a, b], [c, d]) => [a + c, b + d],
  '-': ([a, b], [c, d]) => [a - d, b - c],
  '*': ([a, b], [c, d]) => [a * c, a * d, b * c, b * d],
};

/** Whether some arithmetic in the conditions can overflow, as far as the ranges of what it reads tell. */
export function overflowsIn({ conditions }: PolicyJson): boolean {
  return [...nodesIn(conditions)].some((node) => {
    const range = calculated(node);
    return range !== null && (range[0] < LONG[0] || range[1] > LONG[1]);
  });
}

/** The range of an operation, before Cedar would refuse it; null for what is no arithmetic. */
function calculated(node: Record<string, unknown>): Range | null {
  const [[operator, operand] = ['', null]] = Object.entries(node);
  const { left, right, arg } = (operand ?? {}) as Record<string, unknown>;
  if (operator === 'neg') return spanOf(CALCULATE['-']?.([0n, 0n], rangeOf(arg)) ?? []);
  const calculate = Object.hasOwn(CALCULATE, operator) ? CALCULATE[operator] : undefined;
  return calculate === undefined ? null : spanOf(calculate(rangeOf(left), rangeOf(right)));
}

function rangeOf(expression: unknown): Range {
  if (typeof expression !== 'object' || expression === null) return LONG;
  const node = expression as Record<string, unknown>;
  if (typeof node.Value === 'number') return [BigInt(node.Value), BigInt(node.Value)];
  if ('.' in node) return GIVEN;
  const branches = node['if-then-else'] as { then?: unknown; else?: unknown } | undefined;
  if (branches !== undefined) return spanOf([...rangeOf(branches.then), ...rangeOf(branches.else)]);
  // What would overflow inside is found there; what is left of it is a Long.
  return clamped(calculated(node) ?? LONG);
}

function clamped([least, greatest]: Range): Range {
  return [least < LONG[0] ? LONG[0] : least, greatest > LONG[1] ? LONG[1] : greatest];
}

function spanOf(values: readonly bigint[]): Range {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : 1));
  return [sorted[0] ?? LONG[0], sorted.at(-1) ?? LONG[1]];
}
