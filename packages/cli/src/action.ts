import type { Arguments, Option } from './arguments.ts';
import type { Io } from './io.ts';

/** One action of a command that has several, such as `cmcp attest measure`. */
export interface Action {
  name: string;
  /** After the command's name. */
  usage: string;
  /** A few sentences for the help, wrapped by hand. */
  description: string[];
  /** Options of one name mean the same in every action of a command. */
  options: Record<string, Option>;
  examples: [string, string][];
  /** `positionals`: those after the action. Returns the exit code. */
  run(positionals: string[], given: Arguments, io: Io): Promise<number>;
}
