import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';

/** A server that ignores the end of its input is killed by its guard well within this time. */
const GROUP_GRACE_MS = 15_000;
const GROUP_POLL_MS = 20;

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

/**
 * Starts a command that is ended with SIGTERM when the person gives up, and when this process ends for whatever reason. It
 * has a process group of its own: Ctrl-C in the terminal reaches this program alone, which then ends it in good order.
 */
export function launch(cmcp: Cmcp, args: readonly string[]): CmcpChild {
  cmcp.signal.throwIfAborted();
  const child = spawn(cmcp.node, [cmcp.cli, ...args], {
    cwd: cmcp.folder,
    env: { ...cmcp.variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
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

/**
 * Resolves with the exit code, null when a signal ended the child, once everything that it started is gone as well. Rejects
 * when it could not be started.
 */
export async function exitOf(child: CmcpChild): Promise<number | null> {
  await once(child, 'exit');
  const giveUpMs = performance.now() + GROUP_GRACE_MS;
  while (groupLives(child.pid) && performance.now() < giveUpMs) await setTimeout(GROUP_POLL_MS);
  return child.exitCode;
}

/** Processes that are not our children announce no end, so the group is asked. */
function groupLives(group: number | undefined): boolean {
  if (group === undefined) return false;
  try {
    return process.kill(-group, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
