import type { Arguments, Option } from '../arguments.ts';
import type { Io } from '../io.ts';

/** One action of `cmcp attest`. */
export interface AttestAction {
  name: string;
  /** After `cmcp attest`. */
  usage: string;
  /** A few sentences for the help, wrapped by hand. */
  description: string[];
  /** Options of one name mean the same in every action. */
  options: Record<string, Option>;
  examples: [string, string][];
  /** `positionals`: those after the action. Returns the exit code. */
  run(positionals: string[], given: Arguments, io: Io): Promise<number>;
}
