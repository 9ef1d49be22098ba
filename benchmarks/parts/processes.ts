import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** A child process that has printed the line that was waited for. */
export interface Started {
  child: ChildProcess;
  line: string;
}

/** Starts Node with `args` and resolves with the first line on either output that `matches`; rejects when it exits before. */
export function startNode(args: string[], matches: RegExp, env: Record<string, string> = {}): Promise<Started> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  return new Promise((resolve, reject) => {
    const seen: string[] = [];
    const read = (line: string): void => {
      seen.push(line);
      if (matches.test(line)) resolve({ child, line });
    };
    createInterface(child.stdout).on('line', read);
    createInterface(child.stderr).on('line', read);
    child.once('exit', (code) => reject(new Error(`${args[0]} exited with ${code}:\n${seen.join('\n')}`)));
  });
}

/** Runs Node with `args` to its end and resolves with what it printed; rejects when it fails. */
export async function runNode(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
  return stdout;
}

/** Ends a child and waits until it is gone. */
export async function stop({ child }: Started): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}
