import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { JsonValue } from '@cmcp/evidence';
import { builtIn } from '../detection/built-in.ts';
import { type CleanRow, cleanCost, type GrowthRow, growth } from './cost.ts';
import { cleanRecords, cleanText } from './inputs.ts';

/** `npm run bench:inspection [-- --quick] [--json] [--write]` */
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    // Replaces the results that are kept with the benchmarks.
    write: { type: 'boolean' },
  },
});

const KB = 1024;
const { inspecting } = builtIn();
const times = values.quick ? 200 : 2_000;

const clean: CleanRow[] = [];
for (const [size, of] of [
  [1, times],
  [10, times],
  [100, times / 10],
  [1024, times / 40],
] as const) {
  const text: JsonValue = { content: [{ type: 'text', text: cleanText(size * KB) }] };
  clean.push(await cleanCost(`${size} KB of prose`, text, of, inspecting));
  const records = cleanRecords(size * KB) as unknown as JsonValue;
  clean.push(await cleanCost(`${size} KB of records`, { content: [], structuredContent: records }, of, inspecting));
}
show('Answers in which nothing is found, all stages over their texts', clean);

const sizes = values.quick ? [64, 128, 256] : [128, 256, 512, 1024];
const adversarial = await growth(sizes, inspecting);
show(
  `What is made to be slow, at ${sizes.join(', ')} KB`,
  adversarial.map(({ ms, ...row }) => ({ ...row, ms: ms.join(' ') })),
);
const report = { ...machine(), clean, sizes_kb: sizes, adversarial };
if (values.json) console.log(JSON.stringify(report));
if (values.write) await keep(report);

function show(what: string, rows: readonly object[]): void {
  if (values.json) return;
  console.log(what);
  console.table(rows);
}

function machine(): object {
  const measured = new Date().toISOString().slice(0, 10);
  return { measured, node: process.version, cores: cpus().length, cpu: cpus()[0]?.model ?? 'unknown' };
}

async function keep(report: { clean: CleanRow[]; adversarial: GrowthRow[] }): Promise<void> {
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}inspection.json`, `${JSON.stringify(report, null, 2)}\n`);
}
