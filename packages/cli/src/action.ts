import type { Arguments, Option } from './arguments.ts';
import type { Io } from './io.ts';

/** One action of a command that has several, such as `cmcp attest measure`. */
export interface Action {
  name: string;
  /** After the command's name. */
  usage: string;
  /** A few sentences for the help, wrapped by hand. */
  description: string[];
  /** Those of another action may have the same names: what stands here counts for this one. */
  options: Record<string, Option>;
  examples: [string, string][];
  /** `positionals`: those after the action. Returns the exit code. */
  run(positionals: string[], given: Arguments, io: Io): Promise<number>;
}
