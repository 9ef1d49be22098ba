import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** The installed product, run as a person would run it. */
export interface Cmcp {
  /** Path of the `cmcp` script, and of the Node to run it with. */
  cli: string;
  node: string;
  /** Environment of the commands. */
  variables: Readonly<Record<string, string>>;
  /** The folder that commands run in. */
  folder: string;
  /** Aborts when the person gives up: every command is ended then. */
  signal: AbortSignal;
}

export type CmcpChild = ChildProcessByStdio<null, Readable, Readable>;

/** What a finished command left. `code` is null when a signal ended it. */
export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs one command to its end. Rejects when it cannot be run, or when the person gave up. */
export async function run(cmcp: Cmcp, args: readonly string[]): Promise<Finished> {
  const child = launch(cmcp, args);
  const [code, stdout, stderr] = await Promise.all([exitOf(child), text(child.stdout), text(child.stderr)]);
  cmcp.signal.throwIfAborted();
  return { code, stdout, stderr };
}

/** Starts a command that is ended with SIGTERM when the person gives up, and when this process ends for whatever reason. */
export function launch(cmcp: Cmcp, args: readonly string[]): CmcpChild {
  cmcp.signal.throwIfAborted();
  const child = spawn(cmcp.node, [cmcp.cli, ...args], {
    cwd: cmcp.folder,
    env: { ...cmcp.variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = (): void => void child.kill('SIGTERM');
  cmcp.signal.addEventListener('abort', end);
  process.once('exit', end);
  child.once('close', () => {
    cmcp.signal.removeEventListener('abort', end);
    process.removeListener('exit', end);
  });
  return child;
}

/** Resolves with the exit code, null when a signal ended the child; rejects when it could not be started. */
export async function exitOf(child: CmcpChild): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const [code]: [number | null] = (await once(child, 'exit')) as [number | null];
  return code;
}
