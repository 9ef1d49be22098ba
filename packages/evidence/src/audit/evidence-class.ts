import { EVIDENCE_CLASSES, type EvidenceClass } from '../expectations.ts';
import { type Finding, failed, notChecked, proven } from '../finding.ts';
import { type ChainEntry, isCall, textOf } from './chain-entry.ts';
import type { Witness } from './observer.ts';

/** Finds the call that is least tied to the server it went to. Calls that policy refused went to none. */
export class WeakestCall implements Witness {
  #weakest: { at: number; rank: number } | null = null;

  see(entry: ChainEntry, at: number): void {
    if (!isCall(entry) || !reachedServer(entry)) return;
    // A class that is not known is no stronger than the weakest.
    const rank = Math.max(0, EVIDENCE_CLASSES.indexOf((textOf(entry.raw, 'evidence_class') ?? '') as EvidenceClass));
    if (this.#weakest === null || rank < this.#weakest.rank) this.#weakest = { at, rank };
  }

  /** Whether every call that reached a server has at least the class `least`. */
  finding(least: EvidenceClass | undefined): Finding {
    const found = this.#weakest;
    if (found === null) return proven('no call reached a server', least ?? null);
    const name = EVIDENCE_CLASSES[found.rank] ?? EVIDENCE_CLASSES[0];
    if (least === undefined) return notChecked(`no least class was asked for; the weakest call has ${name}`);
    return found.rank >= EVIDENCE_CLASSES.indexOf(least)
      ? proven(`the weakest call has ${name}`, least)
      : failed(`entry ${found.at} has only ${name}`, least);
  }
}

function reachedServer({ type, decision }: ChainEntry): boolean {
  return type !== 'tool_call' || !['deny', 'step_up', 'defer'].includes(decision ?? '');
}
