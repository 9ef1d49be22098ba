import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startGateway } from './parts/gateway-process.ts';
import { type Measured, measure, type Target } from './parts/load.ts';
import { startNode, stop } from './parts/processes.ts';

/**
 * What the gateway costs, as ratios: the same calls sent directly, through a bare Node proxy, and through the gateway, in
 * one run, interleaved, so that whatever the machine is doing is done to all of them.
 */
const { values } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'boolean' } } });
const ROUNDS = values.quick ? 3 : 5;
const CALLS = values.quick ? 400 : 3_000;
const WARM_UP = values.quick ? 100 : 1_000;
const IN_FLIGHT = [1, 16];

const part = (name: string): string => fileURLToPath(new URL(`parts/${name}`, import.meta.url));

interface Row {
  path: string;
  in_flight: number;
  p50_ms: number;
  p50_range: [number, number];
  p99_ms: number;
  calls_per_second: number;
  p50_over_direct: number;
  throughput_of_bare_proxy: number;
}

async function main(): Promise<void> {
  const upstream = await startNode([part('echo-server.ts')], /^\d+$/);
  const origin = `http://127.0.0.1:${upstream.line}`;
  const proxy = await startNode([part('bare-proxy.ts'), origin], /^\d+$/);
  const url = `${origin}/mcp`;
  const gateways = [
    await startGateway('gateway, strict, write', url, { durability: 'strict', effects: 'write' }),
    await startGateway('gateway, strict, read', url, { durability: 'strict', effects: 'read' }),
    await startGateway('gateway, batched', url, { durability: 'batched', effects: 'write' }),
  ];
  const targets: Target[] = [
    { name: 'direct', url, headers: {} },
    { name: 'bare proxy', url: `http://127.0.0.1:${proxy.line}/mcp`, headers: {} },
    ...gateways.map(({ target }) => target),
  ];
  try {
    report(await interleave(targets));
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await stop(proxy);
    await stop(upstream);
  }
}

async function interleave(targets: Target[]): Promise<Row[]> {
  const samples = new Map<string, Measured[]>();
  for (const target of targets) await measure(target, WARM_UP, 4);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const inFlight of IN_FLIGHT) {
      for (const target of targets) {
        const key = `${target.name}|${inFlight}`;
        samples.set(key, [...(samples.get(key) ?? []), await measure(target, CALLS, inFlight)]);
      }
    }
    if (!values.json) process.stderr.write(`round ${round + 1} of ${ROUNDS} done\n`);
  }
  return IN_FLIGHT.flatMap((inFlight) => targets.map((target) => row(samples, target.name, inFlight)));
}

function row(samples: Map<string, Measured[]>, path: string, inFlight: number): Row {
  const of = (name: string): Measured[] => samples.get(`${name}|${inFlight}`) ?? [];
  const middle = (name: string, pick: (sample: Measured) => number): number => median(of(name).map(pick));
  const p50s = of(path).map((sample) => sample.p50);
  return {
    path,
    in_flight: inFlight,
    p50_ms: round(median(p50s)),
    p50_range: [round(Math.min(...p50s)), round(Math.max(...p50s))],
    p99_ms: round(middle(path, (sample) => sample.p99)),
    calls_per_second: Math.round(middle(path, (sample) => sample.perSecond)),
    p50_over_direct: round(median(p50s) / middle('direct', (sample) => sample.p50)),
    throughput_of_bare_proxy: round(middle(path, (s) => s.perSecond) / middle('bare proxy', (s) => s.perSecond)),
  };
}

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function round(number: number): number {
  return Math.round(number * 1000) / 1000;
}

function report(rows: Row[]): void {
  const machine = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model ?? 'unknown' };
  const what = { rounds: ROUNDS, calls_per_round: CALLS, response_bytes: 1024, transport: 'HTTP, loopback, no TLS' };
  if (values.json) {
    console.log(JSON.stringify({ ...machine, ...what, rows }));
    return;
  }
  console.log(`Node ${machine.node}, ${machine.cores} cores shared by client, proxy and upstream (${machine.cpu})`);
  console.log(`${ROUNDS} interleaved rounds of ${CALLS} calls, 1 KB answers, medians of rounds`);
  console.table(
    rows.map((row) => ({
      path: row.path,
      'in flight': row.in_flight,
      'p50 ms': row.p50_ms,
      'p99 ms': row.p99_ms,
      'calls/s': row.calls_per_second,
      'p50 ÷ direct': row.p50_over_direct,
      'calls/s ÷ bare proxy': row.throughput_of_bare_proxy,
    })),
  );
}

await main();
