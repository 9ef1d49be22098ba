import type { Writable } from 'node:stream';
import type { Ending, Narrator, ToldStep } from './teller.ts';

/** The same facts for machines: one JSON document, written at the end. */
export function jsonNarrator(stdout: Writable): Narrator {
  const write = (document: object): void => void stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  return {
    begin: () => undefined,
    told: () => undefined,
    end: (steps: readonly ToldStep[], { seconds, files, next }: Ending) =>
      write({ as_told: true, seconds, files, next, steps }),
    broke: (steps, differs, problem) => write({ as_told: false, differs, problem, steps }),
  };
}
