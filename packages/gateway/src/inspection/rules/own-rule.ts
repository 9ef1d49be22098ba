import { GatewayError } from '../../errors.ts';
import type { FindingKind, Scan, TextFinding } from '../types.ts';
import type { WrittenRule } from './file-schema.ts';
import { compilePattern, type Span } from './pattern.ts';
import type { Report } from './read-file.ts';

/** A rule of the operator's, ready to be used. */
export interface OwnRule {
  id: string;
  kind: FindingKind;
  label: string | null;
  pattern: string;
  scan: Scan;
  /** How many texts it was tried with. */
  tests: number;
}

/**
 * Compiles a rule and runs the tests that stand beside it. Null where something was reported: a rule that does not do what its author
 * wrote beside it is worse than none.
 */
export function ownRule(given: WrittenRule, path: string, kindLabel: string | null, report: Report): OwnRule | null {
  const spans = compilePattern(given.pattern, given.ignore_case === 'true');
  if (typeof spans === 'string') {
    report(`${path}.pattern`, spans);
    return null;
  }
  const { id, kind, context } = given;
  if (context?.words.length === 0) {
    report(`${path}.context.words`, 'needs at least one word');
    return null;
  }
  const label = given.label ?? kindLabel;
  const near = context === null ? null : nearby(context.words, context.within);
  const scan: Scan = (text) =>
    spans(text)
      .filter((span) => near?.(text, span) ?? true)
      .map(({ start, end }): TextFinding => ({ kind, rule: id, start, end, via: [], label, instead: null }));
  const { match, pass } = given.tests;
  return testsPass(given, path, scan, report)
    ? { id, kind, label, pattern: given.pattern, scan, tests: match.length + pass.length }
    : null;
}

/** Which texts a rule must find something in. */
const FINDS = { match: true, pass: false };

function testsPass({ tests }: WrittenRule, path: string, scan: Scan, report: Report): boolean {
  let passed = true;
  const fail = (at: string, problem: string): void => {
    report(`${path}.tests.${at}`, problem);
    passed = false;
  };
  for (const which of ['match', 'pass'] as const) {
    if (tests[which].length === 0) fail(which, 'needs at least one text');
    for (const [index, text] of tests[which].entries()) {
      const problem = problemWith(scan, text, FINDS[which]);
      if (problem !== null) fail(`${which}[${index}]`, problem);
    }
  }
  return passed;
}

function problemWith(scan: Scan, text: string, finds: boolean): string | null {
  try {
    if (scan(text).length > 0 === finds) return null;
    return `the rule finds ${finds ? 'nothing' : 'something'} in this text, and should${finds ? '' : ' not'}`;
  } catch (error) {
    if (error instanceof GatewayError) return error.detail;
    throw error;
  }
}

/** What means something in a native pattern. */
const SYNTAX = /[\\^$.*+?()[\]{}|/]/g;

/** Whether one of the words stands within so many units of a span, as a word of its own and in whatever case. */
function nearby(words: readonly string[], within: number): (text: string, span: Span) => boolean {
  const one = words.map((word) => word.replaceAll(SYNTAX, '\\$&')).join('|');
  const wanted = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${one})(?![\\p{L}\\p{N}_])`, 'iu');
  return (text, { start, end }) =>
    wanted.test(text.slice(Math.max(0, start - within), start)) || wanted.test(text.slice(end, end + within));
}
