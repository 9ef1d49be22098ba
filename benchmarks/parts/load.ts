import { Pool } from 'undici';

/** Where calls are sent, and with which headers. */
export interface Target {
  name: string;
  url: string;
  headers: Record<string, string>;
}

/** Latencies in milliseconds, throughput in calls per second. */
export interface Measured {
  p50: number;
  p99: number;
  perSecond: number;
}

/** Sends `calls` tools/call requests, `inFlight` at a time, each with arguments of its own. Throws on any wrong answer. */
export async function measure(target: Target, calls: number, inFlight: number): Promise<Measured> {
  const { origin, pathname } = new URL(target.url);
  const pool = new Pool(origin, { connections: inFlight });
  const latencies: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < calls) {
      next += 1;
      const started = performance.now();
      await call(pool, pathname, target.headers, next);
      latencies.push(performance.now() - started);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: inFlight }, worker));
  const seconds = (performance.now() - started) / 1000;
  await pool.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), perSecond: calls / seconds };
}

async function call(pool: Pool, path: string, headers: Record<string, string>, id: number): Promise<void> {
  const params = { name: 'echo', arguments: { message: `call ${id}`, padding: 'y'.repeat(160) } };
  const answer = await pool.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }),
  });
  const body = (await answer.body.json()) as { id?: unknown; result?: { content?: unknown[] } };
  if (answer.statusCode !== 200 || body.id !== id || body.result?.content?.length !== 1) {
    throw new Error(`unexpected answer ${answer.statusCode}: ${JSON.stringify(body).slice(0, 300)}`);
  }
}
