import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 1 << 26;

/** Runs a program and returns what it wrote to standard output. Rejects with what it said when it fails. */
export async function output(program: string, args: string[], cwd: string): Promise<string> {
  try {
    return (await run(program, args, { cwd, maxBuffer: MAX_OUTPUT_BYTES })).stdout;
  } catch (error) {
    if (!(error instanceof Error && 'stderr' in error && 'stdout' in error)) throw error;
    throw new Error(`${program} ${args.join(' ')} failed in ${cwd}:\n${error.stdout}${error.stderr}`, { cause: error });
  }
}
