import { randomBytes } from 'node:crypto';
import { FlowMemory } from '../../packages/gateway/src/session/flow/memory.ts';
import { median, round } from '../parts/statistics.ts';

/** What remembering an answer and tracing a request add to a call: milliseconds at the median. */
export interface FlowCost {
  bytes: number;
  learnMs: number;
  traceMs: number;
}

const ROUNDS: readonly { bytes: number; rounds: number }[] = [
  { bytes: 1024, rounds: 200 },
  { bytes: 65_536, rounds: 40 },
  { bytes: 1024 * 1024, rounds: 10 },
];
const AGENT = 'agent';
const SOURCE = { tool: 'crm.read', server: 'crm', domain: 'pii', sensitivity: { class: 'pii', rank: 1 } };

/** One record after the other, none twice: more ids than an honest answer has. */
function recordsOf(bytes: number): string {
  const parts: string[] = [];
  for (let length = 0; length < bytes; length += parts.at(-1)?.length ?? 0) {
    parts.push(
      `Case C-${randomBytes(4).toString('hex')}: the customer asked about ${randomBytes(3).readUIntBE(0, 3)}. `,
    );
  }
  return parts.join('').slice(0, bytes);
}

/** Times answers of each size in a memory that holds twenty others, and requests that carry the whole of one. */
export async function flowCosts(): Promise<FlowCost[]> {
  const costs: FlowCost[] = [];
  for (const { bytes, rounds } of ROUNDS) {
    const timed = { learn: [] as number[], trace: [] as number[] };
    for (let n = 0; n < rounds; n++) {
      const memory = new FlowMemory({ random: randomBytes, monotonic: () => performance.now(), soon: setImmediate });
      const learn = (value: string) => memory.learn(AGENT, { source: SOURCE, value, sent: {} });
      for (let i = 0; i < 20; i++) await learn(recordsOf(1024));
      const value = recordsOf(bytes);
      timed.learn.push(await millisecondsOf(() => learn(value)));
      const carried = { value, schema: null };
      timed.trace.push(await millisecondsOf(() => memory.trace(AGENT, carried, () => SOURCE.sensitivity)));
    }
    costs.push({ bytes, learnMs: round(median(timed.learn)), traceMs: round(median(timed.trace)) });
  }
  return costs;
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
