import { FormatError } from '../format-error.ts';
import type { JsonLine } from '../json/line.ts';
import type { JsonValue } from '../json/value.ts';
import { readEntry } from './chain-entry.ts';
import type { Witness } from './observer.ts';

/** Reads the entries of a chain in their order and shows them to a witness, up to the first that has not the form of an entry. */
export class EntryReader {
  readonly #witness: Witness | null;
  #length = 0;
  #problem: FormatError | null = null;

  constructor(witness: Witness | null) {
    this.#witness = witness;
  }

  /** @param given the value of the next entry, or the line that it stands on */
  take(given: JsonValue | JsonLine): void {
    if (this.#problem !== null) return;
    try {
      const entry = readEntry(given, this.#length);
      this.#witness?.see(entry, this.#length);
      this.#length++;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#problem = error;
    }
  }

  /** How many entries there were. @throws FormatError when there was none, or something else among them */
  end(): number {
    if (this.#problem !== null) throw this.#problem;
    if (this.#length === 0) throw new FormatError('the bundle has no entries');
    return this.#length;
  }
}
