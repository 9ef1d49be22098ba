import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { StartedGateway } from '@cmcp/gateway';

export const CLI = fileURLToPath(new URL('../../packages/cli/bin/cmcp.js', import.meta.url));

/** The environment that a gateway of the tests runs in: dev mode, and nothing written to the user's own folders. */
export function cliEnvironment(folder: string): Record<string, string> {
  return { PATH: process.env.PATH ?? '', CMCP_DEV_MODE: '1', XDG_CONFIG_HOME: folder, NO_COLOR: '1' };
}

/** A finished command. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `cmcp` with `args` until it ends. */
export async function cmcp(args: string[], folder: string, env: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, env: { ...cliEnvironment(folder), ...env } });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

/** A gateway in a process of its own, which a test can kill as a machine would. */
export interface GatewayProcess {
  child: ChildProcess;
  started: StartedGateway;
  /** SIGTERM, and wait for the end. */
  stop: () => Promise<void>;
  /** SIGKILL, and wait for the end. */
  kill: () => Promise<void>;
}

/** Starts `cmcp start` and resolves when it serves; rejects with what it said when it ends instead. */
export async function startProcess(
  config: string,
  folder: string,
  env: Record<string, string> = {},
): Promise<GatewayProcess> {
  const args = [CLI, 'start', '--json', '--config', config];
  const child = spawn(process.execPath, args, {
    env: { ...cliEnvironment(folder), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };
  const started = await new Promise<StartedGateway>((resolve, reject) => {
    const said: string[] = [];
    createInterface(child.stderr).on('line', (line) => {
      said.push(line);
      if (line.includes('"event":"started"')) resolve(JSON.parse(line) as StartedGateway);
    });
    child.once('exit', (code) => reject(new Error(`cmcp start ended with ${code}: ${said.join('\n')}`)));
  });
  return { child, started, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
