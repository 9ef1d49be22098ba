/**
 * Parent process of one stdio server, so that the server cannot outlive the gateway, not even one that was killed and not
 * even when the server ignores the end of its input and SIGTERM. Node offers no parent-death signal, so this process holds
 * a socket to the gateway (fd 3): when it closes, the server's whole process group is ended. The server inherits stdin,
 * stdout and stderr; no byte of MCP passes through here.
 *
 * fd 3, lines. Gateway to guard: first a request, later `term`. Guard to gateway: one
 * {pid} or {error}.
 *
 * Out of reach: a descendant that starts a process group of its own, and the case that guard and gateway are both
 * killed with SIGKILL in the same instant.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';

export interface GuardRequest {
  command: string;
  args: string[];
  env: Record<string, string>;
  /** What the server is told to be its own name. */
  argv0: string;
  /** The program is open as fd 4, and executed from there whatever its path leads to by now. */
  opened: boolean;
  /** Milliseconds between the ways of ending a server: closed input, SIGTERM, SIGKILL. */
  graceMs: number;
}

export type GuardReport = { pid: number } | { error: string };

const OPENED = 4;

const gateway = new Socket({ fd: 3, readable: true, writable: true });

// The terminal sends these to the gateway's whole group; ending the server is the gateway's decision.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

let received = '';
let start: ((request: GuardRequest) => (command: string) => void) | null = startServer;
let obey: (command: string) => void = () => {};

gateway.setEncoding('utf8');
gateway.on('data', (text: string) => {
  received += text;
  for (let end = received.indexOf('\n'); end !== -1; end = received.indexOf('\n')) {
    const line = received.slice(0, end);
    received = received.slice(end + 1);
    if (start === null) {
      obey(line);
    } else {
      obey = start(JSON.parse(line));
      start = null;
    }
  }
});
gateway.on('error', () => gateway.destroy());
gateway.on('close', () => {
  if (start !== null) process.exit(0);
  obey('gone');
});

function startServer(request: GuardRequest): (command: string) => void {
  // A group of its own (detached), so that the server's own children end with it.
  const { command, args, env, argv0, opened } = request;
  const stdio = opened ? [0, 1, 2, OPENED] : [0, 1, 2];
  const server = spawn(command, args, { stdio, env, argv0, detached: true });
  letGo();
  if (opened) closeSync(OPENED);
  server.once('error', (error: NodeJS.ErrnoException) => {
    report({ error: error.code ?? 'unknown error' });
    gateway.end(() => process.exit(127));
  });
  server.once('spawn', () => report({ pid: server.pid ?? 0 }));
  server.once('exit', (code, signal) => {
    endGroup(server, 'SIGKILL');
    process.exit(signal === null ? (code ?? 1) : 128);
  });
  return (command) => {
    if (command === 'term') endGroup(server, 'SIGTERM');
    else if (command === 'gone') endInSteps(server, request.graceMs);
  };
}

/** The pipes are the server's alone: while another process held them too, nobody would see that it closed one. */
function letGo(): void {
  for (const pipe of [0, 1]) {
    closeSync(pipe);
    // The lowest free number is taken: nothing else may come to be written to or read from as if it were the pipe.
    openSync('/dev/null', 'r+');
  }
}

/** The gateway is gone, and with it the server's input: some time to end by itself, then SIGTERM, then SIGKILL. */
function endInSteps(server: ChildProcess, graceMs: number): void {
  setTimeout(() => {
    endGroup(server, 'SIGTERM');
    setTimeout(() => endGroup(server, 'SIGKILL'), graceMs);
  }, graceMs);
}

function endGroup(server: ChildProcess, signal: NodeJS.Signals): void {
  if (server.pid === undefined) return;
  try {
    process.kill(-server.pid, signal);
  } catch (error) {
    // Nobody left in the group is what is wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function report(message: GuardReport): void {
  if (!gateway.destroyed) gateway.write(`${JSON.stringify(message)}\n`);
}
