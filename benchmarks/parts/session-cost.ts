import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MadeSession } from './make-session.ts';
import { runNode } from './processes.ts';
import { median, round } from './statistics.ts';
import type { Usage } from './usage.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const CLI = path('../../packages/cli/bin/cmcp.js');

export interface SessionRow {
  entries: number;
  where: 'inside' | 'beside';
  ms: number;
  ms_range: [number, number];
  cpu_ms: number;
  entries_per_second: number;
  peak_mib: number;
}

/** What it costs to verify a session of each of these lengths: `cmcp verify` as anybody runs it, `runs` times. */
export async function verifySessions(lengths: readonly number[], runs: number): Promise<SessionRow[]> {
  const rows: SessionRow[] = [];
  for (const entries of lengths) {
    const folder = await mkdtemp(join(tmpdir(), 'cmcp-bench-'));
    try {
      rows.push(await verifySession(folder, entries, runs));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

async function verifySession(folder: string, entries: number, runs: number): Promise<SessionRow> {
  process.stderr.write(`making a session of ${entries} entries\n`);
  const made = await runNode(['--conditions=cmcp-source', path('make-session.ts'), String(entries), folder]);
  const session = JSON.parse(made) as MadeSession;
  const usages: Usage[] = [];
  for (let run = 0; run < runs; run += 1) usages.push(await verifyOnce(folder, session));
  const times = usages.map(({ ms }) => ms);
  return {
    entries,
    where: session.where,
    ms: Math.round(median(times)),
    ms_range: [Math.round(Math.min(...times)), Math.round(Math.max(...times))],
    cpu_ms: Math.round(median(usages.map(({ cpuMs }) => cpuMs))),
    entries_per_second: Math.round((entries * 1000) / median(times)),
    peak_mib: round(Math.max(...usages.map(({ peakBytes }) => peakBytes)) / 2 ** 20, 0),
  };
}

async function verifyOnce(folder: string, { file, key, policyHash, catalogHash }: MadeSession): Promise<Usage> {
  const keyFile = join(folder, 'key.txt');
  const usageFile = join(folder, 'usage.json');
  await writeFile(keyFile, key);
  const pins = ['--key', keyFile, '--policy-hash', policyHash, '--catalog-hash', catalogHash, '--accept-software'];
  // Exits with 1, and so rejects, unless the session is verified.
  await runNode(['--import', path('usage.ts'), CLI, 'verify', file, ...pins], {
    CMCP_BENCH_USAGE: usageFile,
    XDG_CONFIG_HOME: folder,
  });
  return JSON.parse(await readFile(usageFile, 'utf8')) as Usage;
}

/** As columns of a table. */
export function sessionColumns(rows: readonly SessionRow[]): Record<string, string | number>[] {
  return rows.map((row) => ({
    entries: row.entries,
    where: row.where === 'inside' ? 'in the session file' : 'in a file beside it',
    ms: row.ms,
    'ms, least to most': row.ms_range.join(' to '),
    'CPU ms': row.cpu_ms,
    'entries/s': row.entries_per_second,
    'peak memory, MiB': row.peak_mib,
  }));
}
