/** What a command may touch of the process it runs in. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** The environment as it was at the start (D-03). */
  variables: Readonly<Record<string, string>>;
  /** Words may be coloured: a terminal, and NO_COLOR is not set. */
  color: boolean;
}

/** Exit codes that scripts may rely on (architecture, section 7). */
export const EXIT = {
  /** Done, or verified. */
  done: 0,
  /** Refused, or not verified. */
  refused: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The environment lacks something. */
  lacking: 3,
} as const;

/** The command line is not one that the command understands. */
export class UsageError extends Error {}

/** Something outside the program is missing: the message says what, and how to get it. */
export class LackingError extends Error {}

/** What was asked for was understood and cannot be done: the message says why. */
export class RefusedError extends Error {}
