/** Where a generator's choices come from. */
export interface Choose {
  /** One of the items; undefined where there is none. */
  pick<T>(items: readonly T[]): T | undefined;
  /** True with this probability. */
  chance(probability: number): boolean;
}

/** Always the first item, and nothing optional: what is generated is the least that there can be. */
export const LEAST: Choose = { pick: ([first]) => first, chance: () => false };

/** Choices that look random and are the same for the same seed (mulberry32). */
export class Seeded implements Choose {
  #state: number;

  /** @param seed a whole number; its low 32 bits count */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#next() * items.length)];
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** From 0 up to, and without, 1. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
