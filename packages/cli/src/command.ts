import type { Action } from './action.ts';
import type { Arguments, Option } from './arguments.ts';
import type { Io } from './io.ts';

/** One command of `cmcp`: what its help says, and what it does. */
export interface Command {
  name: string;
  /** After `cmcp <name>`. */
  usage: string;
  summary: string;
  /** A few sentences for the help, wrapped by hand. */
  description: string[];
  options: Record<string, Option>;
  /** The actions that its first word can name, for a command that has several. */
  actions?: readonly Action[];
  /** Command lines that work, each with what it does. */
  examples: [string, string][];
  /** Returns the exit code. */
  run(given: Arguments, io: Io): Promise<number>;
}

export const JSON_OPTION: Option = { help: 'Print the result as JSON.' };
export const CONFIG_OPTION: Option = { value: 'FILE', help: 'The configuration (default: cmcp.yaml).' };
export const DEFAULT_CONFIG = 'cmcp.yaml';
