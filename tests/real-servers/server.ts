import type { ClientEntry } from '../support/taken-over.ts';

/** What earlier calls of a server said, by tool: the text of the last answer of each. */
export type Said = Readonly<Record<string, string>>;

/** A call of a tool. Arguments may depend on what the server said before. */
export type Step = readonly [tool: string, args: Record<string, unknown> | ((said: Said) => Record<string, unknown>)];

/** Where a visit happens. Both paths are the same for each visit, and what they hold is made anew. */
export interface Place {
  /** A folder of its own for the server to work in. */
  readonly folder: string;
  /** A page to look at. */
  readonly page: string;
}

/** A server that people install from npm, and how to use all that it has. */
export interface RealServer {
  readonly name: string;
  entry(place: Place): ClientEntry;
  /** What lies in the folder at first. */
  readonly files?: Record<string, string | Uint8Array>;
  /** Every tool at least once, in an order that makes sense. */
  steps(place: Place): Step[];
  /** The tools whose calls have to fail, also direct, in the order of the calls. */
  readonly failing?: string[];
  /** Arguments of its prompts. */
  readonly prompts?: Record<string, Record<string, string>>;
  /** A URI for each of its templates. */
  readonly templates?: Record<string, string>;
  /** Makes what cannot be the same twice the same, such as times. Absent: answers are compared as far as their shape. */
  readonly steady?: (text: string) => string;
}

/** The program of an installed package. */
export function program(path: string, ...args: string[]): { command: string; args: string[] } {
  return {
    command: process.execPath,
    args: [new URL(`../../node_modules/${path}`, import.meta.url).pathname, ...args],
  };
}
