import type { Expr } from '@cedar-policy/cedar-wasm/nodejs';
import { expressionText } from './condition.ts';
import { nameOf, pathOf } from './values.ts';
import type { Weighed, WeighedClause } from './weighed.ts';

/** A part of a condition, and what it would have to be. */
interface Flip {
  part: Weighed;
  to: boolean;
}

/** What would have to change, in the fewest parts, for every clause to be met. */
export function toApply(clauses: readonly WeighedClause[]): string[] {
  return said(clauses.flatMap(({ condition, wanted }) => flips(condition, wanted)));
}

/** Each of these would keep a clause from being met; the shortest comes first. */
export function notToApply(clauses: readonly WeighedClause[]): string[][] {
  const ways = clauses.flatMap(({ condition, wanted }) => choices(condition, !wanted));
  return ways.sort(byEffort).map(said);
}

/** The parts any of which is enough. */
function choices(part: Weighed, to: boolean): Flip[][] {
  if (part.made?.of === 'not') return part.made.parts.flatMap((inner) => choices(inner, !to));
  if (part.made === null || (part.made.of === 'all') === to) return [flips(part, to)];
  return reached(part).map((inner) => flips(inner, to));
}

function flips(part: Weighed, to: boolean): Flip[] {
  if (part.made === null) return part.truth === String(to) ? [] : [{ part, to }];
  const { of, parts } = part.made;
  if (of === 'not') return parts.flatMap((inner) => flips(inner, !to));
  if ((of === 'all') === to) return parts.flatMap((inner) => flips(inner, to));
  return fewest(reached(part).map((inner) => flips(inner, to)));
}

/** Where a part failed, no part behind it helps, whatever it would have been. */
function reached({ made, truth }: Weighed): Weighed[] {
  const parts = made?.parts ?? [];
  if (truth !== 'error') return parts;
  return parts.slice(0, parts.findIndex((part) => part.truth === 'error') + 1);
}

function fewest(ways: readonly Flip[][]): Flip[] {
  return ways.reduce((best, way) => (byEffort(way, best) < 0 ? way : best));
}

/** Of ways that are equally short, first one that gives another value to what the request brings along. */
function byEffort(a: readonly Flip[], b: readonly Flip[]): number {
  const fixed = (way: readonly Flip[]): number => way.filter(({ part }) => !isValue(part)).length;
  return a.length - b.length || fixed(a) - fixed(b);
}

/** Not what the catalog says, and not whether there is any. */
function isValue({ values, expression }: Weighed): boolean {
  return values.some(({ name }) => name.startsWith('context')) && !(expression !== null && 'has' in expression);
}

function said(changes: readonly Flip[]): string[] {
  const needed = changes.filter((change) => !changes.some((other) => other !== change && implies(other, change)));
  return [...new Set(needed.map(sentence))];
}

/** A member that has to be something has to be there. */
function implies(other: Flip, { part, to }: Flip): boolean {
  const asked = part.expression === null ? null : comparison(part.expression, to);
  if (asked?.wish !== THERE) return false;
  return other.part.values.some(({ name }) => name === asked.name) && other.part.text !== part.text;
}

/** What the values are, and what they would have to be. */
function sentence({ part, to }: Flip): string {
  const compared = part.expression === null ? null : comparison(part.expression, to);
  if (compared !== null) {
    const { name, wish } = compared;
    const value = part.values.find((each) => each.name === name);
    if (value === undefined) return `${name} would have to ${wish}`;
    return `${name} is ${value.value ?? 'missing'} and would have to ${wish}`;
  }
  const values = part.values.map(({ name, value }) => `${name} is ${value ?? 'missing'}`);
  const now = part.truth === 'error' ? 'cannot be evaluated' : `is ${part.truth}`;
  const known = values.length === 0 ? '' : ` (${values.join(', ')})`;
  return `${part.text} ${now}${known} and would have to be ${to}`;
}

const THERE = 'be there';

/** Operator, in words where it is to hold and where it is not. */
const WISHES: Record<string, readonly [holds: string, not: string]> = {
  '==': ['be', 'be something else than'],
  '!=': ['be something else than', 'be'],
  '<': ['be below', 'be at least'],
  '<=': ['be at most', 'be above'],
  '>': ['be above', 'be at most'],
  '>=': ['be at least', 'be below'],
  contains: ['contain', 'not contain'],
};
/** The same comparison seen from the other side. */
const MIRRORED: Record<string, string> = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

/** An attribute held against a literal, or asked for: what it is called, and what it would have to do. */
function comparison(expression: Expr, to: boolean): { name: string; wish: string } | null {
  const [[operator, operands] = ['', null]] = Object.entries(expression);
  const path = pathOf(expression);
  if (path !== null) return { name: nameOf(path), wish: `be ${to}` };
  const { left, right, attr } = (operands ?? {}) as { left?: Expr; right?: Expr; attr?: string | string[] };
  if (left === undefined) return null;
  const [name, other] = [nameIn(left), right === undefined ? null : nameIn(right)];
  if (operator === 'has' && name !== null && attr !== undefined) {
    const steps = [attr].flat().map((step) => (/^[A-Za-z_]\w*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`));
    return { name: `${name}${steps.join('')}`, wish: to ? THERE : 'be missing' };
  }
  if (right === undefined) return null;
  const wish = (of: string, literal: Expr): string | null => {
    const words = WISHES[of]?.[to ? 0 : 1];
    return words === undefined ? null : `${words} ${expressionText(literal)}`;
  };
  if (name !== null && isLiteral(right)) return named(name, wish(operator, right));
  if (other !== null && isLiteral(left))
    return named(other, wish(MIRRORED[operator] ?? '', left) ?? oneOf(operator, left, to));
  return null;
}

function named(name: string, wish: string | null): { name: string; wish: string } | null {
  return wish === null ? null : { name, wish };
}

/** A list that is written out and is to contain an attribute. */
function oneOf(operator: string, list: Expr, to: boolean): string | null {
  if (operator !== 'contains') return null;
  return `be ${to ? 'one' : 'none'} of ${expressionText(list)}`;
}

function nameIn(expression: Expr): string | null {
  const path = pathOf(expression);
  return path === null ? null : nameOf(path);
}

function isLiteral(expression: Expr): boolean {
  if ('Value' in expression) return true;
  return 'Set' in expression && (expression.Set as Expr[]).every(isLiteral);
}
