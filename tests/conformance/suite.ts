import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { FailedCheck, Revision, ScenarioResult } from './results.ts';

/** Which side of MCP is held against the suite. */
export type Role = 'server' | 'client';

/** What the suite is told of a leg: the address of a server, or the command of a client with its environment. */
export interface Subject {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const PACKAGE = dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json'));
/** For one scenario. A machine under load is slow; a scenario that hangs is rare. */
const TIMEOUT_MS = 60_000;

const Requirements = z.object({
  server: z.array(z.string()),
  client: z.array(z.string()),
  not_scored: z.array(z.object({ scenario: z.string(), leg: z.enum(['server', 'client']) })),
});
const Checks = z.array(
  z.object({ id: z.string(), status: z.string(), description: z.string(), errorMessage: z.string().optional() }),
);

/** Runs all that the requirements of a revision name for a role, and reads what came out. */
export async function runSuite(role: Role, revision: Revision, subject: Subject): Promise<ScenarioResult[]> {
  const listed = Requirements.parse(parse(await readFile(join(PACKAGE, 'requirements', `${revision}.yaml`), 'utf8')));
  const optional = listed.not_scored.filter(({ leg }) => leg === role).map(({ scenario }) => scenario);
  const directory = await mkdtemp(join(tmpdir(), 'cmcp-conformance-'));
  try {
    const output = await spawnSuite([role, '--requirements', revision, '-o', directory, ...subject.args], subject.env);
    const checks = await readChecks(directory, role);
    const result = (required: boolean) => (scenario: string) => {
      const failed = checks.get(scenario) ?? [
        { check: 'scenario', message: `it did not finish\n${output.slice(-2000)}` },
      ];
      return { scenario, required, failed };
    };
    return [...listed[role].map(result(true)), ...optional.map(result(false))];
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What the suite wrote. Its exit code says less than its checks do. */
function spawnSuite(args: readonly string[], env: Subject['env']): Promise<string> {
  return new Promise((resolve, reject) => {
    const command = [join(PACKAGE, 'dist', 'index.js'), ...args, '--timeout', String(TIMEOUT_MS)];
    const child = spawn(process.execPath, command, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    }
    child.once('error', reject);
    child.once('close', () => resolve(output));
  });
}

/** The failed checks of each scenario that ran: its directory is called like it, with the time behind. */
async function readChecks(directory: string, role: Role): Promise<Map<string, FailedCheck[]>> {
  const files = (await readdir(directory, { recursive: true })).filter((file) => file.endsWith('checks.json'));
  const prefix = role === 'server' ? /^server-/ : /^/;
  const read = files.map(async (file) => {
    const scenario = dirname(file)
      .replace(prefix, '')
      .replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
    const checks = Checks.parse(JSON.parse(await readFile(join(directory, file), 'utf8')));
    const failed = checks
      // A warning is a SHOULD that was not met. Nothing of ours has a reason not to meet one that the baseline does not tell.
      .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
      .map(({ id, errorMessage, description }) => ({ check: id, message: errorMessage ?? description }));
    return [scenario, failed] as const;
  });
  return new Map(await Promise.all(read));
}
