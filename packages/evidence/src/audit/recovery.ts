import { member } from '../json/value.ts';
import { type ChainEntry, textOf } from './chain-entry.ts';
import type { Witness } from './observer.ts';
import type { Tips } from './tips.ts';

/** Where a successor process took over a chain (contracts section 2), as its `recovered` entry tells it. */
export interface Recovery {
  /** Index of the `recovered` entry. */
  at: number;
  /** Entries that the dead process's last checkpoint covers. */
  covered: number;
  /** Its key; `none` when nothing was covered. */
  oldKey: string;
}

/** Collects the recoveries of a chain; `tips` must have seen every entry before the one that this is shown. */
export class Recoveries implements Witness {
  readonly #tips: Tips;
  readonly #found: Recovery[] = [];
  #problem: string | null = null;

  constructor(tips: Tips) {
    this.#tips = tips;
  }

  see(entry: ChainEntry, at: number): void {
    if (entry.type !== 'recovered') return;
    const recovery = readRecovery(this.#tips, entry, at);
    if (typeof recovery === 'string') this.#problem ??= recovery;
    else this.#found.push(recovery);
  }

  /** What is wrong with the first recovery of which something is. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Those that are clear, in order. */
  get all(): readonly Recovery[] {
    return this.#found;
  }
}

function readRecovery(tips: Tips, entry: ChainEntry, at: number): Recovery | string {
  const detail = entry.detail ?? {};
  const covered = member(detail, 'checkpoint_length');
  const recovered = member(detail, 'entries_recovered');
  const key = textOf(detail, 'checkpoint_key');
  if (typeof covered !== 'number' || typeof recovered !== 'number' || key === null) {
    return `entry ${at} does not say what was recovered`;
  }
  const damage = textOf(detail, 'damage');
  if (damage !== null) return `entry ${at} says that the stored chain was damaged: ${damage}`;
  if (covered < 0 || recovered < 0 || covered + recovered > at)
    return `entry ${at} recovers more entries than there were`;
  if (textOf(detail, 'checkpoint_tip') !== tips.at(covered))
    return `entry ${at} names a checkpoint that is not of this chain`;
  return { at, covered, oldKey: key };
}
