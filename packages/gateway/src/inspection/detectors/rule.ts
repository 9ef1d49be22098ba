import type { FindingKind } from '../types.ts';

export type ValueKind = Extract<FindingKind, 'personal' | 'payment' | 'health' | 'secret'>;

/** The label that a value of each kind gives to whoever sees it. */
export const LABELS: Readonly<Record<ValueKind, string>> = {
  personal: 'pii',
  payment: 'pii',
  health: 'hipaa_phi',
  secret: 'confidential',
};

/** How far from a match, on either side, words are looked for that tell what it is. */
export const CONTEXT_REACH = 64;

/** The most characters by which a secret is widened over what is glued to it. */
export const GLUE_REACH = 128;

/**
 * A value that can be recognised. A rule is tried only where its trigger stands, and its pattern is sticky there: a match
 * depends on nothing but what is near it, so that a text in slices gives the findings of the whole text.
 */
export interface ValueRule {
  /** Lower-case words joined by `-`; for a credential the name under which secret scanners know it. */
  id: string;
  kind: ValueKind;
  /** What it is, for people. */
  what: string;
  trigger: Trigger;
  /** Sticky. Its group `value`, where it has one, is what is found; otherwise the whole match is. */
  pattern: RegExp;
  /**
   * Whether the value can be one: check digits, ranges, no placeholder. A number: only so many characters at its beginning are one.
   * Absent: every match is one.
   */
  valid?: (value: string) => boolean | number;
  /** What has to be said within {@link CONTEXT_REACH} characters before or after the match. */
  context?: RegExp;
  /** What has to be said before the match. */
  before?: Before;
  /** What must not be said before the match. */
  unless?: Before;
  /** What is glued to the value is found with it (D-31). */
  glued?: true;
  /** Where to reach somebody or something: it stands in most answers, and does not raise the class of whoever sees it. */
  contact?: true;
  /** Says less than any other rule: dropped where one of those found something that it overlaps. */
  yields?: true;
}

/** Where a rule is tried. */
export type Trigger = AnchorTrigger | DigitsTrigger;

/** Where one of the literals stands, in either case. */
export interface AnchorTrigger {
  /** ASCII in lower case, three characters or more; or one character, `@` or `+`, that prose seldom has. */
  anchors: readonly string[];
  /** The pattern begins so many characters before the literal. */
  back?: number;
  /** The pattern begins where the run of these characters begins that the literal ends or continues. */
  lead?: Lead;
}

export interface Lead {
  chars: RegExp;
  most: number;
}

export interface Before {
  words: RegExp;
  /** Within so many characters. */
  reach: number;
  /** On the same line; a line that ends in a backslash goes on. */
  sameLine?: true;
}

/**
 * Where a run of digits begins, if it has one of these lengths; a run of {@link LONGEST_RUN} or more counts as that. A short run counts
 * where more digits may follow in groups.
 */
export interface DigitsTrigger {
  digits: readonly number[];
  /** A letter stands before the run, of any length, and the pattern begins so many characters before it. */
  letters?: number;
  /** The pattern begins so many characters before the run, whatever they are. */
  back?: number;
}

export const LONGEST_RUN = 20;

/** The run lengths from `first` to `last`. */
export function runs(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
