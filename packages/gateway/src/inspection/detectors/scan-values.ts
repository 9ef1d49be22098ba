import type { Scan, TextFinding } from '../types.ts';
import { isPartOfAnother } from './digest.ts';
import { type Before, CONTEXT_REACH, GLUE_REACH, LABELS, type ValueRule } from './rule.ts';
import { VALUE_RULES } from './rules.ts';
import { patternStarts, triggerFinder } from './triggers.ts';
import { withoutYielding } from './yielding.ts';

/** Finds the values of the built-in rules: personal data, payment data, health identifiers, secrets. */
export const scanValues: Scan = valueScan(VALUE_RULES);

/** A scan for the values of these rules. */
export function valueScan(rules: readonly ValueRule[]): Scan {
  const findTriggers = triggerFinder(rules);
  const startOf = patternStarts(rules);
  return (text) => {
    const found: Found[] = [];
    const covered = new Map<string, number>();
    const tried = new Map<number, number>();
    findTriggers(text, (index, at) => {
      const from = startOf(text, at, index);
      // Several literals of a rule may stand in what begins at one place.
      if (from < 0 || tried.get(index) === from) return;
      tried.set(index, from);
      const rule = rules[index] as ValueRule;
      const span = matchFrom(text, from, rule);
      // Several forms of a rule may lead to the same value.
      if (span === null || (covered.get(rule.id) ?? -1) >= span.end) return;
      covered.set(rule.id, span.end);
      found.push({ rule, ...span });
    });
    return withoutYielding(found).map(asFinding);
  };
}

interface Span {
  start: number;
  end: number;
}

/** Where a rule matched. */
export interface Found extends Span {
  rule: ValueRule;
}

function matchFrom(text: string, from: number, rule: ValueRule): Span | null {
  rule.pattern.lastIndex = from;
  const match = rule.pattern.exec(text);
  if (match === null || !inContext(text, from, from + match[0].length, rule)) return null;
  const [start, last] = match.indices?.groups?.value ?? [from, from + match[0].length];
  const valid = rule.valid?.(text.slice(start, last)) ?? true;
  if (valid === false || valid === 0) return null;
  const end = valid === true ? last : start + valid;
  if (rule.kind !== 'secret' && 'digits' in rule.trigger && isPartOfAnother(text, start, end)) return null;
  return rule.glued ? widened(text, start, end) : { start, end };
}

function inContext(text: string, start: number, end: number, { context, before, unless }: ValueRule): boolean {
  if (before !== undefined && !isSaid(before, text, start)) return false;
  if (unless !== undefined && isSaid(unless, text, start)) return false;
  if (context === undefined) return true;
  const around = text.slice(Math.max(0, start - CONTEXT_REACH), start);
  return context.test(around) || context.test(text.slice(end, end + CONTEXT_REACH));
}

function isSaid({ words, reach, sameLine }: Before, text: string, start: number): boolean {
  const said = text.slice(Math.max(0, start - reach), start);
  return words.test(sameLine ? said.slice(lineStart(said)) : said);
}

/** Where the last line of a text begins; a line that ends in a backslash goes on. */
function lineStart(text: string): number {
  let newline = text.lastIndexOf('\n');
  while (newline > 0 && text[newline - 1] === '\\') newline = text.lastIndexOf('\n', newline - 1);
  return newline + 1;
}

const GLUE = /[A-Za-z0-9_-]/;

/** The span and what is glued to it: `AKIA…` in `my_AKIA…_old` leads to the whole word (D-31). */
function widened(text: string, start: number, end: number): Span {
  let first = start;
  let last = end;
  while (first > 0 && start - first < GLUE_REACH && GLUE.test(text.charAt(first - 1))) first--;
  while (last < text.length && last - end < GLUE_REACH && GLUE.test(text.charAt(last))) last++;
  return { start: first, end: last };
}

function asFinding({ rule, start, end }: Found): TextFinding {
  const finding: TextFinding = {
    kind: rule.kind,
    rule: rule.id,
    start,
    end,
    via: [],
    label: LABELS[rule.kind],
    instead: null,
  };
  return rule.contact === true ? { ...finding, raises: false } : finding;
}
