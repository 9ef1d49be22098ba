import type { SandboxConfig } from '../config/types.ts';
import type { GuardRequest } from './guard.ts';
import type { MeasuredServer } from './measure-server.ts';
import { sandboxed } from './sandbox.ts';

/** As the new process sees what it inherits first after its three streams. */
const OPENED = '/proc/self/fd/3';

export interface LaunchTerms {
  env: Record<string, string>;
  graceMs: number;
  sandbox: SandboxConfig | null;
  /** What a sandboxed server may read of its own: its program, its package. */
  own: readonly string[];
}

/**
 * How a measured server is started: the very file that was hashed, where the system can execute one that is open, and inside its
 * sandbox where it has one.
 * @throws IdentityRefused when there is nothing to build the sandbox with
 */
export async function launchOf(
  server: MeasuredServer,
  { env, graceMs, sandbox, own }: LaunchTerms,
): Promise<GuardRequest> {
  const { args, executable } = server;
  const opened = executable !== null && process.platform === 'linux';
  const command = opened ? OPENED : server.command;
  const request = { command, args, env, argv0: server.command, opened, graceMs };
  return sandbox === null ? request : await sandboxed(request, sandbox, [server.command, ...own]);
}
