import { type ChildProcess, spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../errors.ts';
import type { GuardReport, GuardRequest } from './guard.ts';
import type { MonotonicTimers } from './monotonic.ts';

const GUARD = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './guard.ts' : './guard.js', import.meta.url));
/** The guard holds no data; a small heap keeps one per server affordable. */
const GUARD_FLAGS = ['--max-old-space-size=16', '--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'];
const STDERR_TAIL = 4096;

/** A running stdio server behind its guard (guard.ts). */
export interface ServerProcess {
  pid: number;
  stdin: Writable;
  stdout: Readable;
  /** Resolves with a plain reason once the process is gone. */
  exited: Promise<string>;
  /** The last few kB of stderr, which is always drained and never an error by itself (MCP26-39). */
  stderrTail(): string;
  /** Ends it at once, before it does anything more. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** MCP26-40: closes stdin, waits, SIGTERM, SIGKILL. Resolves when the process is gone. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a server as `request` says: a path and an argument vector, no shell.
 * @throws GatewayError UPSTREAM_UNAVAILABLE when it does not start
 */
export async function startServerProcess(
  request: GuardRequest,
  executable: FileHandle | null,
  timers: MonotonicTimers,
): Promise<ServerProcess> {
  // The guard itself gets no environment: NODE_OPTIONS meant for a server must not act on it.
  const guard = spawn(process.execPath, [...GUARD_FLAGS, GUARD], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', ...(executable === null ? [] : [executable.fd])],
    env: {},
  });
  const exited = exitOf(guard);
  const { stdin, stdout, stderr } = guard;
  const control = guard.stdio[3] as Writable & Readable;
  if (stdin === null || stdout === null || stderr === null) throw unavailable('no pipes to the server');
  // A pipe to a process that is gone reports an error; its exit says all there is to know.
  for (const stream of [stdin, stdout, stderr, control]) stream.on('error', () => {});
  const stderrTail = drain(stderr);
  control.write(`${JSON.stringify(request)}\n`);
  const report = await Promise.race([readReport(control), exited.then(({ reason }) => ({ error: reason }))]);
  if ('error' in report) throw unavailable(`the server did not start: ${report.error} ${stderrTail()}`.trim());
  const { pid } = report;
  const gone = exited.then(({ reason, killed }) => {
    // A guard that ends by itself has ended the server; one that was killed has not.
    if (killed) killGroup(pid);
    return reason;
  });
  const steps: (() => void)[] = [
    () => stdin.end(),
    () => control.write('term\n'),
    // The server outlives its guard only until the exit is seen here.
    () => guard.kill('SIGKILL'),
  ];
  let stopping: Promise<void> | null = null;
  return {
    pid,
    stdin,
    stdout,
    exited: gone,
    stderrTail,
    kill: async () => {
      guard.kill('SIGKILL');
      await gone;
    },
    stop: () => {
      stopping ??= stopInSteps(steps, gone, request.graceMs, timers);
      return stopping;
    },
  };
}

async function stopInSteps(
  steps: (() => void)[],
  gone: Promise<string>,
  graceMs: number,
  timers: MonotonicTimers,
): Promise<void> {
  for (const step of steps) {
    step();
    if (await within(gone, graceMs, timers)) return;
  }
  await gone;
}

/** True when `event` happens within `ms`. */
function within(event: Promise<unknown>, ms: number, timers: MonotonicTimers): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = timers.after(ms, () => resolve(false));
    event.then(() => {
      stop();
      resolve(true);
    });
  });
}

function exitOf(guard: ChildProcess): Promise<{ reason: string; killed: boolean }> {
  return new Promise((resolve) => {
    guard.once('error', (error) => resolve({ reason: error.message, killed: false }));
    guard.once('exit', (code, signal) =>
      resolve({ reason: signal === null ? `exit code ${code}` : `guard ended by ${signal}`, killed: signal !== null }),
    );
  });
}

function drain(stderr: Readable): () => string {
  let tail = Buffer.alloc(0);
  stderr.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk.subarray(-STDERR_TAIL)]).subarray(-STDERR_TAIL);
  });
  return () => tail.toString('utf8');
}

function readReport(control: Readable): Promise<GuardReport> {
  return new Promise((resolve) => {
    let text = '';
    control.setEncoding('utf8');
    control.on('data', (piece: string) => {
      text += piece;
      const end = text.indexOf('\n');
      if (end !== -1) resolve(JSON.parse(text.slice(0, end)));
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: gone. EPERM: gone, and the number belongs to somebody else by now.
    if (!(error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM'))) throw error;
  }
}

function unavailable(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail);
}
