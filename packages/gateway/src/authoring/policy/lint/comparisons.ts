import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { pathOf } from './expression.ts';

/** A place where a policy compares an attribute with a text. */
export interface Comparison {
  path: string[];
  /** The texts that it is compared with; null for a pattern (`like`). */
  texts: readonly string[] | null;
  /** Whether equality makes the condition hold (true), or keeps it from holding (false). Both are in the branches of a choice. */
  towards: ReadonlySet<boolean>;
}

/** Every comparison of an attribute with texts in the conditions, with what it works towards. */
export function comparisonsIn({ conditions }: PolicyJson): Comparison[] {
  return conditions.flatMap(({ kind, body }) => found(body, new Set([kind === 'when'])));
}

function found(expression: unknown, towards: ReadonlySet<boolean>): Comparison[] {
  if (typeof expression !== 'object' || expression === null) return [];
  const [[operator, operand] = ['', null]] = Object.entries(expression);
  if (operator === 'Value') return [];
  const { left, right, arg, ...rest } = (operand ?? {}) as Record<string, unknown>;
  if (operator === '!') return found(arg, flipped(towards));
  const here = comparison(operator, left, right, operator === '!=' ? flipped(towards) : towards);
  if (here !== null) return [here];
  // Of what stands inside anything else but `&&` and `||`, nobody can say what it works towards.
  const inside = operator === '&&' || operator === '||' ? towards : new Set([true, false]);
  if (operator === 'if-then-else') {
    const { if: condition, ...branches } = rest;
    return [
      ...found(condition, new Set([true, false])),
      ...Object.values(branches).flatMap((each) => found(each, towards)),
    ];
  }
  const parts = Array.isArray(operand) ? operand : [left, right, arg];
  return parts.flatMap((part) => found(part, inside));
}

function comparison(operator: string, left: unknown, right: unknown, towards: ReadonlySet<boolean>): Comparison | null {
  if (operator === 'like') {
    const path = pathOf(left);
    return path === null ? null : { path, texts: null, towards };
  }
  if (operator !== '==' && operator !== '!=' && operator !== 'contains') return null;
  // A list that contains an attribute compares it with each of its members.
  const sides =
    operator === 'contains'
      ? [[right, left]]
      : [
          [left, right],
          [right, left],
        ];
  for (const [attribute, literal] of sides) {
    const [path, texts] = [pathOf(attribute), textsOf(literal, operator === 'contains')];
    if (path !== null && texts !== null) return { path, texts, towards };
  }
  return null;
}

/** The texts of a literal; null where it is none. */
function textsOf(literal: unknown, list: boolean): string[] | null {
  const { Value: value, Set: members } = (literal ?? {}) as { Value?: unknown; Set?: unknown };
  if (!list) return typeof value === 'string' ? [value] : null;
  const listed = Array.isArray(members) ? members.map((each) => (each as { Value?: unknown }).Value) : value;
  return Array.isArray(listed) && listed.every((each) => typeof each === 'string') ? listed : null;
}

function flipped(towards: ReadonlySet<boolean>): ReadonlySet<boolean> {
  return new Set([...towards].map((each) => !each));
}
