import { decodeHex, encodeHex } from '../bytes/hex.ts';
import type { ChainEntry } from './chain-entry.ts';
import type { Witness } from './observer.ts';

/** What the first entry names as its predecessor: the tip of a chain without entries. */
export const GENESIS = 'genesis';

const HASH_BYTES = 32;

/** The tip that a chain had at every length. 32 bytes per entry: the one thing that is kept of all, for a later entry may name any. */
export class Tips implements Witness {
  #hashes = new Uint8Array(1024 * HASH_BYTES);
  #length = 0;

  /** Entries seen. */
  get length(): number {
    return this.#length;
  }

  see(entry: ChainEntry): void {
    const at = this.#length * HASH_BYTES;
    if (at === this.#hashes.length) {
      const larger = new Uint8Array(2 * at);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes.set(decodeHex(entry.hash), at);
    this.#length++;
  }

  /** The `entry_hash` of the last of the first `length` entries, `genesis` for none; null when there were never so many. */
  at(length: number): string | null {
    if (length === 0) return GENESIS;
    if (length < 0 || length > this.#length) return null;
    return encodeHex(this.#hashes.subarray((length - 1) * HASH_BYTES, length * HASH_BYTES));
  }
}
