import { PassThrough } from 'node:stream';
import type { TestContext } from 'node:test';
import { type JsonObject, type JsonValue, parseJson } from '@cmcp/evidence';
import { readLines } from '../../packages/gateway/src/ingress/lines.ts';
import { serveStdio } from '../../packages/gateway/src/ingress/stdio.ts';
import { FakeGovernedGateway } from './fake-governed.ts';
import type { ManualTime } from './manual-time.ts';

export interface PipeOptions {
  output?: PassThrough;
  time?: ManualTime;
  signal?: AbortSignal;
}

export interface Piped {
  gateway: FakeGovernedGateway;
  input: PassThrough;
  output: PassThrough;
  done: Promise<void>;
  faults: unknown[];
  write(...messages: (JsonValue | string)[]): void;
  /** The next message that the gateway writes; an array for a batch. */
  read(): Promise<JsonObject>;
}

/** The client's end of a gateway on a pair of streams. */
export function pipe(t: TestContext, options: PipeOptions = {}): Piped {
  const gateway = new FakeGovernedGateway();
  const input = new PassThrough();
  const output = options.output ?? new PassThrough();
  const faults: unknown[] = [];
  const done = serveStdio({
    input,
    output,
    gateway,
    caller: { subject: 'desktop', source: 'stdio' },
    limits: { bodyBytes: 100_000, depth: 32 },
    onFault: (error) => faults.push(error),
    ...(options.time === undefined ? {} : { timers: options.time, clock: options.time }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const lines = readLines(output, 10_000_000);
  t.after(async () => {
    gateway.release();
    input.destroy();
    output.resume();
    await done;
  });
  return {
    gateway,
    input,
    output,
    done,
    faults,
    write: (...messages) => {
      for (const each of messages) input.write(`${typeof each === 'string' ? each : JSON.stringify(each)}\n`);
    },
    read: async () => {
      const { value } = await lines.next();
      return parseJson((value as { bytes: Uint8Array }).bytes) as JsonObject;
    },
  };
}
