import type { FileHandle } from 'node:fs/promises';
import { IdentityRefused } from './identity-refused.ts';

/** What a script's first line makes run it. */
export interface Shebang {
  /** null: `env` looks for it in PATH. */
  path: string | null;
  /** As the line has it; what `env` looks for. */
  name: string;
  /** Between the interpreter and the script; Linux passes on at most one. */
  args: string[];
}

/** Linux reads no more of the line. */
const LINE_BYTES = 256;

/**
 * The `#!` line of a file that is open; null: it has none, and is a program itself.
 * @throws IdentityRefused for a line that names no program by an absolute path
 */
export async function shebangOf(file: FileHandle): Promise<Shebang | null> {
  const buffer = Buffer.alloc(LINE_BYTES);
  const { bytesRead } = await file.read(buffer, 0, LINE_BYTES, 0);
  const text = buffer.subarray(0, bytesRead).toString('latin1');
  if (!text.startsWith('#!')) return null;
  const [, path = '', argument = ''] = /^#![ \t]*([^ \t\n]*)[ \t]*([^\n]*?)[ \t]*(?:\n|$)/.exec(text) ?? [];
  if (!text.includes('\n') || !path.startsWith('/'))
    throw new IdentityRefused('the #! line of the command is not usable');
  if (!path.endsWith('/env')) return { path, name: path, args: argument === '' ? [] : [argument] };
  // With options or variables before it, what is run is for `env` to say.
  if (!/^[^-\s=][^\s=]*$/.test(argument)) {
    throw new IdentityRefused(
      'the #! line of the command runs env with more than a name; make the interpreter the command',
    );
  }
  return { path: null, name: argument, args: [] };
}
