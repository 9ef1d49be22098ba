import { RE2JS, RE2JSException } from 're2js';

const MAX_PATTERN = 2048;

/** A pattern of an approved schema, matched in time linear in the text whatever it says (ATK-21). */
export interface Pattern {
  test(text: string): boolean;
  toString(): string;
}

/** The pattern, or in words why it cannot be used. Unanchored, as JSON Schema has it. */
export function patternOf(source: string): Pattern | string {
  if (source.length > MAX_PATTERN) return `must not be longer than ${MAX_PATTERN} characters`;
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(source));
    return { test: (text) => compiled.test(text), toString: () => source };
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return (
      'cannot be matched in linear time, or is no regular expression; leave out look-around, back-references and repeats ' +
      'above 1000'
    );
  }
}
