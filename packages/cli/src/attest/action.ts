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

// Options of several actions: one name, one meaning.
export const OUT_OPTION: Option = {
  value: 'PATH',
  help: 'Where the result goes: a file that must not exist (default: standard output), or the folder to fill.',
};
export const ROOT_OPTION: Option = {
  value: 'FILE',
  multiple: true,
  help: 'A root certificate to trust besides those of the vendors.',
};
