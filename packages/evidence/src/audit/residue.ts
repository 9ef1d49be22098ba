import { type ChainEntry, isCall } from './chain-entry.ts';
import type { Witness } from './observer.ts';

/** Counts what entries tell of and no check looks into. */
export class Residue implements Witness {
  /** Calls whose answer was let through without a look at its content. */
  uninspectedCalls = 0;

  see(entry: ChainEntry): void {
    // What could not be looked through and was withheld for it said nothing to anybody.
    if (isCall(entry) && entry.decision !== 'deny' && entry.inspection === 'not_inspected') this.uninspectedCalls++;
  }
}
