import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { builtIn } from './built-in.ts';
import { openCorpus } from './corpus.ts';
import { plot, plotText } from './plot.ts';
import { type DetectionReport, measureDetection } from './report.ts';
import { tables } from './tables.ts';

/** `npm run bench:detection [-- --corpus DIR] [--json] [--write]` */
const { values } = parseArgs({
  options: {
    corpus: { type: 'string' },
    json: { type: 'boolean' },
    // Replaces the results that are kept with the benchmarks.
    write: { type: 'boolean' },
  },
});

const corpus = openCorpus(values.corpus);
if (corpus === null) {
  console.error(
    `${values.corpus ?? '../shared/datasets'}: no index.json there, so nothing is measured. Name a directory of measurement data with --corpus DIR`,
  );
  process.exitCode = 3;
} else {
  const part = values.corpus === undefined ? 'shared/datasets, dev part' : basename(corpus.root);
  const { subject, outcomes } = builtIn();
  const report = measureDetection(corpus, subject, outcomes, part);
  if (values.json) console.log(JSON.stringify(described(report)));
  else show(report);
  if (values.write) await keep(report);
}

function show(report: DetectionReport): void {
  console.log(`Measured on ${report.part}, under the built-in rules and settings`);
  for (const [title, rows] of tables(report)) {
    console.log(title);
    console.table(rows);
  }
  console.log(plotText(report));
}

async function keep(report: DetectionReport): Promise<void> {
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}detection.json`, `${JSON.stringify(described(report), null, 2)}\n`);
  await writeFile(`${folder}detection.svg`, plot(report));
}

function described(report: DetectionReport): object {
  const machine = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model ?? 'unknown' };
  return { measured: new Date().toISOString().slice(0, 10), ...machine, ...report };
}
