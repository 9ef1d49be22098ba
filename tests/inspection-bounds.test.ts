import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtIn } from '../benchmarks/detection/built-in.ts';
import { ADVERSARIAL } from '../benchmarks/inspection/inputs.ts';
import { GatewayError } from '../packages/gateway/src/errors.ts';
import { type Inspecting, inspecting } from '../packages/gateway/src/inspection/inspector.ts';

/** What looking through a text came to, counted instead of timed. */
interface Work {
  /** Characters that were read by normalisation, decoding and scans, all together. */
  read: number;
  /** Characters that these made anew. */
  made: number;
  findings: number;
  /** The most characters read between two stops. */
  longest: number;
}

function workOn(text: string): Work {
  const work: Work = { read: 0, made: 0, findings: 0, longest: 0 };
  const step = counted(builtIn().inspecting, work);
  const running = inspecting(text, step);
  try {
    for (let before = 0; ; before = work.read) {
      const { done, value } = running.next();
      work.longest = Math.max(work.longest, work.read - before);
      if (done !== true) continue;
      work.findings = value.findings.length;
      return work;
    }
  } catch (refused) {
    // Beyond a bound nothing passes unseen.
    assert.ok(refused instanceof GatewayError && refused.code === 'INSPECTION_FAILED', String(refused));
    return work;
  }
}

function counted(how: Inspecting, work: Work): Inspecting {
  const read = (text: string): void => {
    work.read += text.length;
  };
  return {
    ...how,
    normalised: (text) => {
      read(text);
      const normal = how.normalised(text);
      if (normal.text !== text) work.made += normal.text.length;
      return normal;
    },
    encodedRuns: (text) => {
      read(text);
      const runs = how.encodedRuns(text);
      for (const run of runs) work.made += run.text.length;
      return runs;
    },
    scans: how.scans.map((scan) => (text) => {
      read(text);
      return scan(text);
    }),
    rawScans: how.rawScans.map((scan) => (text) => {
      read(text);
      return scan(text);
    }),
  };
}

const SIZE = 96 * 1024;
/** How often each character of an answer may be read, in all: by each pass, in slices that overlap, nested encodings included. */
const MAX_READS = 60;

for (const [name, make] of Object.entries(ADVERSARIAL)) {
  test(`work on what is made to be slow is bounded, and twice as much of it is twice the work: ${name} [ATK-09] [ATK-21]`, () => {
    const [half, whole] = [workOn(make(SIZE / 2)), workOn(make(SIZE))];
    assert.ok(whole.read <= MAX_READS * SIZE, `${whole.read / SIZE} times`);
    assert.ok(whole.made <= MAX_READS * SIZE, `${whole.made / SIZE} times as much is made`);
    assert.ok(whole.read <= 2.5 * half.read + SIZE, `${half.read}, then ${whole.read}`);
    assert.ok(whole.findings <= SIZE / 4, `${whole.findings} findings`);
    assert.ok(whole.longest <= 32 * SIZE, `${whole.longest} characters without a stop`);
  });
}
