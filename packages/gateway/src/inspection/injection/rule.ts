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
export interface PhraseRule extends Described {
  /** One of these stands in every match: letters, and spaces between words. */
  stems: readonly string[];
  /** In the notation of grammar.ts. */
  patterns: readonly string[];
  /** What is said right before it where it is no order. */
  unlessAfter?: RegExp;
}

/** Something that is told by the characters around it. Looked for in the text as it is read, letters as they are. */
export interface MarkupRule extends Described {
  /** One of these stands in every match. */
  signs: readonly string[];
  pattern: RegExp;
}
