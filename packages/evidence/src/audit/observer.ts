import { type Finding, failed, proven } from '../finding.ts';
import type { ChainEntry } from './chain-entry.ts';

/** Is shown the entries of a chain, one after the other, and keeps of them no more than its question needs. */
export interface Witness {
  /** @param at the place of the entry in the chain, from 0 */
  see(entry: ChainEntry, at: number): void;
}

/** A question about a whole chain, that one pass over the chain answers. */
export interface Observer extends Witness {
  /** The answer, once all entries were seen. */
  finding(): Finding;
}

/** Proven, as `whole` says it, when `problem` finds none in any entry; else failed with the first. Asked up to the first only. */
export function everyEntry(
  problem: (entry: ChainEntry, at: number) => string | null,
  whole: (length: number) => string,
): Observer {
  let first: string | null = null;
  let length = 0;
  return {
    see(entry, at) {
      length++;
      first ??= problem(entry, at);
    },
    finding: () => (first === null ? proven(whole(length)) : failed(first)),
  };
}
