import type { TranscriptLine } from '../claim/wire.ts';
import { type ChainEntry, hasCommitments, isCall } from './chain-entry.ts';
import { decisionWord } from './decision-word.ts';
import type { Witness } from './observer.ts';
import { knownOf } from './summary.ts';

/** Holds the transcript of a claim against the calls of a chain, one line per call, in order. */
export class Transcript implements Witness {
  readonly #lines: readonly TranscriptLine[];
  #calls = 0;
  #complete = false;
  #known = true;
  #wrong: number | null = null;

  constructor(lines: readonly TranscriptLine[] = []) {
    this.#lines = lines;
  }

  see(entry: ChainEntry, at: number): void {
    if (at === 0) this.#complete = hasCommitments(entry);
    if (!isCall(entry)) return;
    const line = this.#lines[this.#calls];
    const dataClass = knownOf(entry.dataClass, entry, this.#complete);
    if (dataClass === null) this.#known = false;
    else if (line === undefined || !isLineOf(line, entry, dataClass)) this.#wrong ??= this.#calls;
    this.#calls++;
  }

  /** Whether every call says the class of its data, as those of the reference do not: else no line can be worked out again. */
  get known(): boolean {
    return this.#known;
  }

  /** The first line that is not what its entry says. */
  get wrong(): number | null {
    return this.#wrong;
  }
}

function isLineOf(line: TranscriptLine, call: ChainEntry, dataClass: string): boolean {
  return (
    line.tool_name === (call.toolName ?? '') &&
    line.data_class === dataClass &&
    line.decision === decisionWord(call.type, call.decision)
  );
}
