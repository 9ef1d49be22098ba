import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Who answers what the policy asks of a person. */
export interface Person {
  /** Nobody is at the terminal: the answer is the story's. */
  readonly scripted: boolean;
  /** `shown`: the whole call, as `cmcp approve show` has it. Rejects when the person gives up. */
  approves(shown: string, signal: AbortSignal): Promise<boolean>;
}

/** The person at a terminal; without one, somebody who agrees. */
export function personAt(stdin: Readable | null, stdout: Writable): Person {
  if (stdin === null) return { scripted: true, approves: async () => true };
  return {
    scripted: false,
    approves: async (shown, signal) => {
      stdout.write(`\n${shown.trimEnd()}\n\n    Do you approve exactly this call? [y/N] `);
      return /^y(?:es)?$/i.test((await lineOf(stdin, signal)).trim());
    },
  };
}

/** The next line; empty at the end of the input. Not in raw mode: Ctrl-C reaches the process as ever. */
async function lineOf(stdin: Readable, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: stdin, terminal: false });
  const settled = new AbortController();
  const either = { signal: AbortSignal.any([signal, settled.signal]) };
  try {
    const ended = once(lines, 'close', either).then(() => ['']);
    const [line] = await Promise.race([once(lines, 'line', either), ended]);
    return String(line);
  } finally {
    settled.abort();
    lines.close();
  }
}
