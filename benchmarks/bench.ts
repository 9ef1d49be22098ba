import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { attestationColumns, attestationCost, writeResults } from './parts/attestation-cost.ts';
import { evidenceColumns, verifyEvidence } from './parts/evidence-cost.ts';
import { gatewayColumns, gatewayCost } from './parts/gateway-cost.ts';
import { pageColumns, pageCost } from './parts/page-cost.ts';
import { sessionColumns, verifySessions } from './parts/session-cost.ts';

/** `npm run bench -- [--only gateway|verify|page|attestation] [--quick] [--json] [--write]` */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    // Replaces the results that are kept with the benchmarks.
    write: { type: 'boolean' },
  },
});
const quick = values.quick === true;
const parts: Record<string, () => Promise<object>> = { gateway, verify, page, attestation };

async function gateway(): Promise<object> {
  const extent = quick ? { rounds: 3, calls: 400, warmUp: 100 } : { rounds: 5, calls: 3_000, warmUp: 1_000 };
  const rows = await gatewayCost(extent);
  show(
    `${extent.rounds} interleaved rounds of ${extent.calls} calls, 1 KB answers, medians of rounds`,
    gatewayColumns(rows),
  );
  const { rounds, calls: calls_per_round } = extent;
  return { rounds, calls_per_round, response_bytes: 1024, transport: 'HTTP, loopback, no TLS', rows };
}

async function verify(): Promise<object> {
  const sessions = await verifySessions(quick ? [10_000, 60_000] : [10_000, 400_000], quick ? 3 : 5);
  show(
    '`cmcp verify`, a process for each run, its start and the reading of the files included',
    sessionColumns(sessions),
  );
  const evidence = await verifyEvidence(quick ? 100 : 1_000);
  show('Hardware evidence, from its files to the verdict, in one process', evidenceColumns(evidence));
  return { sessions, evidence };
}

async function page(): Promise<object> {
  const row = await pageCost(10_000, quick ? 3 : 5);
  show('The verification page in Chromium, opened anew for each run', pageColumns(row));
  return row;
}

async function attestation(): Promise<object> {
  const rows = await attestationCost(quick ? 20 : 100, quick ? 20 : 200);
  show('Evidence about the machine, when a gateway starts and when a session does', attestationColumns(rows));
  if (values.write) await writeResults(rows, machine);
  return { rows };
}

function show(what: string, columns: Record<string, string | number>[]): void {
  if (values.json) return;
  console.log(what);
  console.table(columns);
}

const names = values.only === undefined ? Object.keys(parts) : [values.only];
const machine = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model ?? 'unknown' };
if (!values.json)
  console.log(`Node ${machine.node}, ${machine.cores} cores (${machine.cpu}), shared by all that is measured`);
const results: Record<string, object> = {};
for (const name of names) {
  const part = parts[name];
  if (part === undefined) throw new Error(`--only takes ${Object.keys(parts).join(' or ')}`);
  results[name] = await part();
}
if (values.json) console.log(JSON.stringify({ ...machine, ...results }));
