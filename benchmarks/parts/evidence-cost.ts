import { fileURLToPath } from 'node:url';
import { runNode } from './processes.ts';

export interface EvidenceRow {
  evidence: string;
  runs: number;
  median_ms: number;
  p99_ms: number;
  first_ms: number;
}

/** What it costs to verify and appraise one piece of evidence, `runs` times each, in a process of its own. */
export async function verifyEvidence(runs: number): Promise<EvidenceRow[]> {
  const script = fileURLToPath(new URL('time-evidence.ts', import.meta.url));
  return JSON.parse(await runNode(['--conditions=cmcp-source', script, String(runs)])) as EvidenceRow[];
}

/** As columns of a table. */
export function evidenceColumns(rows: readonly EvidenceRow[]): Record<string, string | number>[] {
  return rows.map((row) => ({
    evidence: row.evidence,
    'median ms': row.median_ms,
    'p99 ms': row.p99_ms,
    'first ms': row.first_ms,
  }));
}
