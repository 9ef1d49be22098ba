import { fileURLToPath } from 'node:url';
import { runNode } from './processes.ts';

export interface PageRow {
  bytes: number;
  gzip_bytes: number;
  brotli_bytes: number;
  entries: number;
  /** From the drop of a session to its verdict on the screen; null where there is no Chromium. */
  ms: number | null;
  ms_range: [number, number] | null;
}

/** What the verification page costs: its size, and how long Chromium takes for a session of `entries`, `runs` times. */
export async function pageCost(entries: number, runs: number): Promise<PageRow> {
  const script = fileURLToPath(new URL('browser.ts', import.meta.url));
  return JSON.parse(await runNode(['--conditions=cmcp-source', script, String(entries), String(runs)])) as PageRow;
}

/** As columns of a table. */
export function pageColumns(row: PageRow): Record<string, string | number>[] {
  return [
    {
      'kB as it is': Math.round(row.bytes / 1000),
      'kB, gzip': Math.round(row.gzip_bytes / 1000),
      'kB, brotli': Math.round(row.brotli_bytes / 1000),
      entries: row.entries,
      'ms from drop to verdict': row.ms ?? 'no Chromium here',
      'ms, least to most': row.ms_range?.join(' to ') ?? '',
    },
  ];
}
