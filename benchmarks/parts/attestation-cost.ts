import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runNode } from './processes.ts';

/** What stands in for each platform here: no SNP, TDX or TPM hardware is timed. */
const STANDS_FOR = {
  tpm: 'swtpm, a software TPM',
  'sev-snp': 'a test double of the kernel’s configfs-tsm, with generated evidence',
  tdx: 'a test double of the kernel’s configfs-tsm, with generated evidence',
  'software-only': 'no platform: a software key',
} as const;

export type AttestedPlatform = keyof typeof STANDS_FOR;

export interface AttestationRow {
  platform: AttestedPlatform;
  starts: number;
  at_start_median_ms: number;
  at_start_p99_ms: number;
  sessions: number;
  session_start_median_ms: number;
  session_start_p99_ms: number;
  added_to_session_start_median_ms: number;
}

/** Times each platform in a process of its own. */
export async function attestationCost(starts: number, sessions: number): Promise<AttestationRow[]> {
  const script = fileURLToPath(new URL('time-attestation.ts', import.meta.url));
  const rows: AttestationRow[] = [];
  for (const platform of Object.keys(STANDS_FOR)) {
    const args = ['--conditions=cmcp-source', script, platform, String(starts), String(sessions)];
    rows.push(JSON.parse(await runNode(args)) as AttestationRow);
  }
  return rows;
}

/** As columns of a table. */
export function attestationColumns(rows: readonly AttestationRow[]): Record<string, string | number>[] {
  return rows.map((row) => ({
    platform: row.platform,
    'what is timed': STANDS_FOR[row.platform],
    'at start, median ms': row.at_start_median_ms,
    'p99 ms': row.at_start_p99_ms,
    'session start, median ms': row.session_start_median_ms,
    'of it added, ms': row.added_to_session_start_median_ms,
  }));
}

/** Writes a file for each platform: `benchmarks/results/attestation-<platform>.json`. */
export async function writeResults(rows: readonly AttestationRow[], machine: object): Promise<void> {
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  await mkdir(folder, { recursive: true });
  for (const row of rows) {
    const result = {
      measured: new Date().toISOString().slice(0, 10),
      ...machine,
      timed: STANDS_FOR[row.platform],
      ...row,
    };
    await writeFile(`${folder}attestation-${row.platform}.json`, `${JSON.stringify(result, null, 2)}\n`);
  }
}
