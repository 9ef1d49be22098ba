/**
 * `npm run bench:scenarios [-- --json] [-- --write] [-- --corpus DIR]`: what three policies block in labelled sessions, and what each
 * still stops when values are carried out in disguise. Every call goes through a real gateway in this process to a real server.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { sharedPath } from '../../tests/shared.ts';
import { readPersonas } from './corpus.ts';
import { flowCosts } from './flow-cost.ts';
import { measure, type PolicyResult } from './measure.ts';
import { POLICIES, type PolicyName } from './policies.ts';
import { tables } from './tables.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, write: { type: 'boolean' }, corpus: { type: 'string' } },
});

const directory = values.corpus ?? sharedPath('datasets', 'session-scenarios');
if (directory === null) {
  console.log('Skipped: the session scenarios are not here. Name their directory with --corpus DIR.');
} else {
  const personas = await readPersonas(directory);
  const results: PolicyResult[] = [];
  for (const policy of Object.keys(POLICIES) as PolicyName[]) results.push(await measure(personas, policy));
  const report = {
    measured: new Date().toISOString().slice(0, 10),
    node: process.version,
    results,
    costs: await flowCosts(),
  };
  console.log(values.json === true ? JSON.stringify(report, null, 2) : tables(report));
  if (values.write === true) {
    const folder = new URL('../results/', import.meta.url);
    await mkdir(folder, { recursive: true });
    await writeFile(new URL('scenarios.json', folder), `${JSON.stringify(report, null, 2)}\n`);
  }
}
