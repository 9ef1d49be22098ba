import { setImmediate as turn } from 'node:timers/promises';
import type { JsonValue } from '@cmcp/evidence';
import { GatewayError } from '../../packages/gateway/src/errors.ts';
import { type Inspecting, inspecting } from '../../packages/gateway/src/inspection/inspector.ts';
import { inTurns } from '../../packages/gateway/src/inspection/turns.ts';
import { median, percentile, round } from '../parts/statistics.ts';
import { ADVERSARIAL } from './inputs.ts';

const NO_BUDGET_MS = 600_000;
const KB = 1024;
const WARM_MS = 1_000;

export interface CleanRow {
  answer: string;
  bytes: number;
  median_us: number;
  p99_us: number;
  /** The longest stretch, in milliseconds, for which one inspection held the event loop; of the best round. */
  longest_hold_ms: number;
}

/** What inspecting an answer takes in which nothing is found. */
export async function cleanCost(answer: string, value: JsonValue, times: number, how: Inspecting): Promise<CleanRow> {
  const taken: number[] = [];
  let hold = Number.POSITIVE_INFINITY;
  // A gateway that runs has been compiled.
  for (const begun = performance.now(); performance.now() - begun < WARM_MS; ) await inspected(value, how);
  for (let round = 0; round < times; round += 1) {
    const run = await inspected(value, how);
    taken.push(run.ms * 1_000);
    hold = Math.min(hold, run.longestMs);
  }
  return {
    answer,
    bytes: Buffer.byteLength(JSON.stringify(value)),
    median_us: round(median(taken), 1),
    p99_us: round(percentile(taken, 0.99), 1),
    longest_hold_ms: round(hold, 2),
  };
}

export interface GrowthRow {
  input: string;
  /** Milliseconds for each size, each twice the one before; the best of five. */
  ms: number[];
  /** The last by the one before: 2 is linear, 4 is quadratic. */
  ratio: number;
  longest_hold_ms: number;
  /** What is held in memory at most while it runs, and what is left of it, in MiB. */
  peak_mib: number;
  findings: number;
  /** How it ended: inspected, or the error code. */
  outcome: string;
}

/** How the cost of what is made to be slow grows with its size. */
export async function growth(sizesKb: readonly number[], how: Inspecting): Promise<GrowthRow[]> {
  const rows: GrowthRow[] = [];
  for (const [input, make] of Object.entries(ADVERSARIAL)) {
    const runs: Run[] = [];
    for (const size of sizesKb) runs.push(await best(make(size * KB), how));
    const last = runs.at(-1) ?? (await best('', how));
    rows.push({
      input,
      ms: runs.map(({ ms }) => round(ms, 1)),
      ratio: round(last.ms / (runs.at(-2)?.ms ?? last.ms), 2),
      longest_hold_ms: round(last.longestMs, 1),
      peak_mib: round(last.peakBytes / KB / KB, 1),
      findings: last.findings,
      outcome: last.outcome,
    });
  }
  return rows;
}

interface Run {
  ms: number;
  longestMs: number;
  peakBytes: number;
  findings: number;
  outcome: string;
}

/** The quickest of five: what the machine does besides makes it only slower. */
async function best(text: string, how: Inspecting): Promise<Run> {
  const runs: Run[] = [];
  for (let round = 0; round < 5; round += 1) runs.push(await inspected(text, how));
  const quickest = runs.reduce((one, other) => (other.ms < one.ms ? other : one));
  return { ...quickest, longestMs: Math.min(...runs.map(({ longestMs }) => longestMs)) };
}

/** Runs it as the gateway does, with turns of the event loop in between. */
async function inspected(value: JsonValue, how: Inspecting): Promise<Run> {
  globalThis.gc?.({ type: 'minor' });
  const before = process.memoryUsage().heapUsed;
  let [ms, longestMs, peakBytes] = [0, 0, 0];
  let began = performance.now();
  const held = (): void => {
    const now = performance.now() - began;
    ms += now;
    longestMs = Math.max(longestMs, now);
  };
  const turns = {
    nowMs: () => performance.now(),
    turn: async () => {
      held();
      peakBytes = Math.max(peakBytes, process.memoryUsage().heapUsed - before);
      await turn();
      began = performance.now();
    },
  };
  const { findings, outcome } = await outcomeOf(inTurns(inspecting(value, how), NO_BUDGET_MS, turns));
  held();
  return { ms, longestMs, peakBytes, findings, outcome };
}

async function outcomeOf(work: Promise<{ findings: unknown[] }>): Promise<{ findings: number; outcome: string }> {
  try {
    const { findings } = await work;
    return { findings: findings.length, outcome: 'inspected' };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { findings: 0, outcome: error.code };
  }
}
