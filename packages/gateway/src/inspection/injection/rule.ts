import type { Clued } from './clues.ts';

export const FAMILIES = [
  'override',
  'persona',
  'markup',
  'coercion',
  'concealment',
  'exfiltration',
  'credentials',
  'leak',
  'address',
] as const;
export type Family = (typeof FAMILIES)[number];

interface Described {
  /** As in wire-formats section 17.5 where that has it. */
  id: string;
  family: Family;
  /** What it looks for, for people. */
  what: string;
  examples: { found: readonly string[]; passed: readonly string[] };
}

/** Something that is said to a model in words, in whatever spelling. */
export interface PhraseRule extends Described, Clued {
  /** In the notation of grammar.ts. */
  patterns: readonly string[];
  /** What is said right before it where it is no order. */
  unlessAfter?: RegExp;
}

/** Something that is told by the signs around words; over text in lower case in which each run of white space is one character. */
export interface MarkupRule extends Described, Clued {
  /** One of these stands in every match. */
  signs?: readonly string[];
  pattern: RegExp;
}

/** Something in a script other than Latin, in the text as it is read. */
export interface ScriptRule extends Described {
  /** One of these stands in every match. */
  signs: readonly string[];
  pattern: RegExp;
}
