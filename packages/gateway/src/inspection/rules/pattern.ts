import { RE2JS, RE2JSException } from 're2js';
import { GatewayError } from '../../errors.ts';
import { MATCH_SPAN } from '../types.ts';
import { matchLength } from './match-length.ts';

/** UTF-16 units that a match of an operator's pattern may have. A rule's context and its neighbours fit beside it in MATCH_SPAN. */
export const MAX_MATCH = MATCH_SPAN / 4;
/** Instructions of a compiled pattern: what a unit of text may cost. */
const MAX_PROGRAM = 1024;
/** How often the length of a text all its matches together may be, where they overlap; less often for a pattern larger than this. */
const MAX_OVERLAP = 16;
const SMALL_PROGRAM = 64;

export interface Span {
  start: number;
  end: number;
}

/** An operator's pattern. Each match that no earlier one contains, in order, so that a slice of a text gives what the whole does. */
export type Spans = (text: string) => Span[];

/**
 * Compiles a pattern in RE2 syntax, which is matched in linear time (ATK-21). Returned as text: why it is refused.
 * What nothing bounds is refused, because a slice of a text would not show its matches.
 */
export function compilePattern(pattern: string, ignoreCase: boolean): Spans | string {
  const compiled = compiledPattern(pattern, ignoreCase);
  if (typeof compiled === 'string') return compiled;
  if (compiled.programSize() > MAX_PROGRAM) return 'is too large; make it shorter, or its repetitions fewer';
  const { shortest, longest } = matchLength(compiled);
  if (longest < 0) return 'matches nothing';
  if (shortest === 0) return 'matches the empty text; name something that must be there';
  if (longest === Number.POSITIVE_INFINITY)
    return 'may match text of any length; give its repetitions an upper bound: {1,64} in place of +, {0,64} in place of *';
  if (longest > MAX_MATCH)
    return `may match ${longest} units of text, and ${MAX_MATCH} are the most; give it smaller bounds`;
  return (text) => spansOf(compiled, text);
}

function compiledPattern(pattern: string, ignoreCase: boolean): RE2JS | string {
  try {
    return RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return `is no pattern in RE2 syntax: ${error.message}`;
  }
}

/**
 * A search goes on behind the first character of what was found: going on behind its end would make what is found depend on where the
 * search began. @throws GatewayError INSPECTION_FAILED where matches overlap so much that this is not linear any more
 */
function spansOf(pattern: RE2JS, text: string): Span[] {
  // An automaton says in one quick pass that there is nothing, which is what most texts come to.
  if (!pattern.test(text)) return [];
  const found: Span[] = [];
  const matcher = pattern.matcher(text);
  const cost = Math.max(1, pattern.programSize() / SMALL_PROGRAM);
  let left = MAX_OVERLAP * Math.max(text.length, MAX_MATCH);
  let from = 0;
  let covered = 0;
  while (from <= text.length && matcher.find(from)) {
    const [start, end] = [matcher.start(), matcher.end()];
    left -= (end - start) * cost;
    if (left < 0) throw new GatewayError('INSPECTION_FAILED', 'matches of an operator’s rule overlap too much');
    if (end > covered) found.push({ start, end });
    covered = Math.max(covered, end);
    from = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
  }
  return found;
}
