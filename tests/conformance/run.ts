/**
 * Runs the official conformance suite, all that the requirements of both revisions name, and holds what comes out against
 * `baseline.yaml`. Leaves with 1 when something failed that is not listed there, or is listed and did not fail.
 *
 *     npm run conformance
 *     npm run conformance -- "server direct"
 */
import { readFile } from 'node:fs/promises';
import { judge, lost, parseBaseline } from './baseline.ts';
import { LEGS, type Leg } from './legs.ts';
import { isClean, type Judged, report } from './report.ts';
import { type LegResult, REVISIONS, type Revision } from './results.ts';
import { runSuite } from './suite.ts';

const names = LEGS.map(({ name }) => name);
const asked = process.argv.slice(2);
const unknown = asked.find((name) => !names.includes(name));
if (unknown !== undefined) {
  console.error(`no leg is called ${unknown}; there are: ${names.join(', ')}`);
  process.exit(2);
}

const baseline = parseBaseline(await readFile(new URL('baseline.yaml', import.meta.url), 'utf8'), LEGS);
const judged: Judged[] = [];
for (const leg of legsFor(asked)) {
  for (const revision of leg.revisions ?? REVISIONS) {
    console.log(`${leg.name} ${revision} ...`);
    const result = await runLeg(leg, revision);
    const mirrored = judged
      .map((each) => each.result)
      .find((each) => each.leg === leg.mirrors && each.revision === revision);
    judged.push({
      result,
      judgement: judge(result, baseline),
      lost: mirrored === undefined ? [] : lost(result, mirrored),
    });
  }
}
console.log(`\n${report(judged)}`);
process.exitCode = judged.every(isClean) ? 0 : 1;

/** What was asked for, or everything; and what it is compared with. */
function legsFor(asked: readonly string[]): Leg[] {
  if (asked.length === 0) return [...LEGS];
  const mirrored = LEGS.filter(({ name }) => asked.includes(name)).map(({ mirrors }) => mirrors);
  return LEGS.filter(({ name }) => asked.includes(name) || mirrored.includes(name));
}

async function runLeg({ name, role, stand }: Leg, revision: Revision): Promise<LegResult> {
  const standing = await stand();
  try {
    return { leg: name, revision, scenarios: await runSuite(role, revision, standing) };
  } finally {
    await standing.close();
  }
}
