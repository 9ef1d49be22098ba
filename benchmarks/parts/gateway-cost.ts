import { fileURLToPath } from 'node:url';
import { startGateway } from './gateway-process.ts';
import { type Measured, measure, type Target } from './load.ts';
import { startNode, stop } from './processes.ts';
import { median, round } from './statistics.ts';

const IN_FLIGHT = [1, 16];

const part = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface GatewayRow {
  path: string;
  in_flight: number;
  p50_ms: number;
  p50_range: [number, number];
  p99_ms: number;
  calls_per_second: number;
  p50_over_direct: number;
  throughput_of_bare_proxy: number;
}

/** How long it takes: rounds, and calls in each. */
export interface Extent {
  rounds: number;
  calls: number;
  warmUp: number;
}

/**
 * What the gateway costs, as ratios: the same calls sent directly, through a bare Node proxy, and through the gateway, in
 * one run, interleaved, so that whatever the machine is doing is done to all of them.
 */
export async function gatewayCost(extent: Extent): Promise<GatewayRow[]> {
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
    return await interleave(targets, extent);
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await stop(proxy);
    await stop(upstream);
  }
}

async function interleave(targets: Target[], { rounds, calls, warmUp }: Extent): Promise<GatewayRow[]> {
  const samples = new Map<string, Measured[]>();
  for (const target of targets) await measure(target, warmUp, 4);
  for (let at = 0; at < rounds; at += 1) {
    for (const inFlight of IN_FLIGHT) {
      for (const target of targets) {
        const key = `${target.name}|${inFlight}`;
        samples.set(key, [...(samples.get(key) ?? []), await measure(target, calls, inFlight)]);
      }
    }
    process.stderr.write(`round ${at + 1} of ${rounds} done\n`);
  }
  return IN_FLIGHT.flatMap((inFlight) => targets.map((target) => row(samples, target.name, inFlight)));
}

function row(samples: Map<string, Measured[]>, path: string, inFlight: number): GatewayRow {
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

/** As columns of a table. */
export function gatewayColumns(rows: readonly GatewayRow[]): Record<string, string | number>[] {
  return rows.map((row) => ({
    path: row.path,
    'in flight': row.in_flight,
    'p50 ms': row.p50_ms,
    'p99 ms': row.p99_ms,
    'calls/s': row.calls_per_second,
    'p50 ÷ direct': row.p50_over_direct,
    'calls/s ÷ bare proxy': row.throughput_of_bare_proxy,
  }));
}
