import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { UsageError } from './io.ts';

/** One option of a command. */
export interface Option {
  /** Shown in the help: the value's name for an option that takes one, none for a switch. */
  value?: string;
  /** May be given several times. */
  multiple?: boolean;
  help: string;
}

/** A command line taken apart. Reading an option that the command does not have is a mistake in the command. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: Record<string, string | boolean | (string | boolean)[] | undefined>;

  constructor(positionals: string[], values: Record<string, string | boolean | (string | boolean)[] | undefined>) {
    this.positionals = positionals;
    this.#values = values;
  }

  /** The options that were given. */
  get names(): string[] {
    return Object.keys(this.#values);
  }

  has(name: string): boolean {
    return this.#values[name] === true;
  }

  one(name: string): string | null {
    const value = this.#values[name];
    return typeof value === 'string' ? value : null;
  }

  many(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
  }
}

/**
 * Takes `argv` apart.
 * @throws UsageError for an unknown option, a missing value or a value where none belongs
 */
export async function takeApart(argv: string[], options: Record<string, Option>): Promise<Arguments> {
  const config: ParseArgsOptionsConfig = {};
  for (const [name, { value, multiple }] of Object.entries(options)) {
    config[name] = { type: value === undefined ? 'boolean' : 'string', multiple: multiple ?? false };
  }
  try {
    const { positionals, values } = parseArgs({ args: argv, options: config, allowPositionals: true, strict: true });
    return new Arguments(positionals, values);
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error)) throw error;
    if (error.code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw new UsageError(error.message);
    const unknown = /'(-[^']*)'/.exec(error.message)?.[1] ?? 'an option';
    throw new UsageError(
      `unknown option ${unknown}${await suggestion(unknown.replace(/^-+/, ''), Object.keys(options), '--')}`,
    );
  }
}

/**
 * An option that is not heeded must not look heeded.
 * @throws UsageError for an option that is given and not one of `heeded`
 */
export function refuseOthers(given: Arguments, heeded: readonly string[], what: string): void {
  const idle = given.names.find((name) => !heeded.includes(name));
  if (idle !== undefined) throw new UsageError(`--${idle} does not go with ${what}`);
}

/** `; did you mean …?`, or nothing when no known word is close. */
export async function suggestion(word: string, known: string[], prefix = ''): Promise<string> {
  // Loaded only for a mistake: it brings the whole gateway, which `--help` and `verify` do not need.
  const { nearest } = await import('@cmcp/gateway');
  // Further away it would be a guess, not a suggestion.
  const close = nearest(word, known, Math.max(2, Math.floor(word.length / 3)));
  return close === null ? '' : `; did you mean ${prefix}${close}?`;
}
