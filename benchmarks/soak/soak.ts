import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { heldBy, residentBytes } from '../../tests/support/process-view.ts';
import { load, type Tally } from './load.ts';
import { openSetting } from './setting.ts';
import { type Course, coursesOf, type Sample } from './verdict.ts';

/** `npm run soak -- [--minutes N] [--write]`: whether a gateway under steady load holds more and more. Exit code 1: it does, or fails. */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, write: { type: 'boolean' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error('--minutes takes a number above 0');

const SAMPLE_MS = 10_000;

const setting = await openSetting();
const over = new AbortController();
const pid = setting.gateway.child.pid ?? 0;
const port = Number(setting.url.port);
const loaded = load(setting.url, over.signal);
const samples = await Promise.race([watched(minutes * 60_000), loaded.then(() => never())]);
over.abort();
const tally = await loaded;
await setting.close();

const courses = coursesOf(samples);
console.table(samples);
console.table(courses);
console.table([{ ...tally, failed: tally.failed.length }]);
const flat = courses.every((course) => course.flat);
console.log(flat ? `flat over ${minutes} minutes` : 'GROWING');
for (const failed of tally.failed.slice(0, 10)) console.log(`not answered: ${failed}`);
if (values.write) await keep(courses, samples, tally);
process.exitCode = flat && tally.failed.length === 0 ? 0 : 1;

async function watched(ms: number): Promise<Sample[]> {
  const begun = performance.now();
  const taken: Sample[] = [];
  while (performance.now() - begun < ms) {
    await pause(SAMPLE_MS);
    const { descriptors, processes } = await heldBy(pid, port);
    const at = Math.round((performance.now() - begun) / 1000);
    taken.push({ at, rss_mib: Math.round((await residentBytes(pid)) / 2 ** 20), descriptors, processes });
    process.stderr.write(`${JSON.stringify(taken.at(-1))}\n`);
  }
  return taken;
}

function never(): never {
  throw new Error('the load ended by itself');
}

async function keep(verdict: Course[], taken: Sample[], done: Tally): Promise<void> {
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  const machine = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model ?? 'unknown' };
  const result = {
    measured: new Date().toISOString().slice(0, 10),
    ...machine,
    minutes,
    flat,
    verdict,
    done,
    samples: taken,
  };
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}soak.json`, `${JSON.stringify(result, null, 2)}\n`);
}
