/** Code units of a window: what is remembered of longer runs, and the most of a single value. */
export const WINDOW = 24;
/** Code units by which windows are found. */
export const ANCHOR = 8;
/** The shortest value that is remembered. */
export const SHORTEST = 6;

/** The largest prime below 2^32: sums of 25 products stay below 2^53. */
const PRIME = 4_294_967_291;

/**
 * The secret that fingerprints are made with. A fingerprint of a window is two independent multilinear hashes over a prime field (one
 * random weight per place, and one per length), so that two different windows agree with a probability of at most 2^-62, whatever
 * they hold. Nothing can be told of a value without the weights, which are made in memory and have no way out of it.
 */
export class WindowKey {
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  /** Odd: anchors are polynomials in it modulo 2^32. */
  readonly base: number;
  /** Of the place of an anchor's first code. */
  readonly top: number;
  /** The base undone. */
  readonly inverse: number;

  constructor(random: (size: number) => Uint8Array) {
    const words = drawn(random, 2 * WEIGHTS + 1);
    this.#first = Float64Array.from(words.subarray(0, WEIGHTS), (word) => word % PRIME);
    this.#second = Float64Array.from(words.subarray(WEIGHTS, 2 * WEIGHTS), (word) => word % PRIME);
    this.base = ((words[2 * WEIGHTS] ?? 0) | 1) >>> 0;
    this.top = power(this.base, ANCHOR - 1);
    this.inverse = inverseOf(this.base);
  }

  /** Of the codes from `start` on, in steps of `step` (1 or -1): a number that finds windows, and proves nothing. */
  anchor(codes: Uint16Array, start: number, step: number): number {
    let hash = 0;
    for (let index = 0, at = start; index < ANCHOR; index += 1, at += step) {
      hash = (Math.imul(hash, this.base) + (codes[at] ?? 0)) | 0;
    }
    return hash;
  }

  /**
   * Makes the fingerprints of the windows that begin at `start`, in steps of `step`, and whose length is in `lengths` (bit n: length n):
   * each in two parts, at twice its length in `into`.
   */
  fingerprints(codes: Uint16Array, start: number, step: number, lengths: number, into: Float64Array): void {
    const [ofFirst, ofSecond] = [this.#first, this.#second];
    let [first, second] = [0, 0];
    const longest = 32 - Math.clz32(lengths);
    for (let length = 1, at = start; length < longest; length += 1, at += step) {
      const code = codes[at] ?? 0;
      first += code * (ofFirst[length] ?? 0);
      second += code * (ofSecond[length] ?? 0);
      if ((lengths & (1 << length)) === 0) continue;
      into[2 * length] = reduced(first + (ofFirst[WINDOW + length] ?? 0));
      into[2 * length + 1] = reduced(second + (ofSecond[WINDOW + length] ?? 0));
    }
  }
}

/** For {@link WindowKey.fingerprints}. */
export const fingerprintRoom = (): Float64Array => new Float64Array(2 * WINDOW + 2);

/** One per place of a window, and one per length. */
const WEIGHTS = 2 * WINDOW + 1;

function reduced(sum: number): number {
  const rest = sum - Math.floor(sum / PRIME) * PRIME;
  // The quotient of two doubles may be off by one.
  return rest < 0 ? rest + PRIME : rest >= PRIME ? rest - PRIME : rest;
}

function drawn(random: (size: number) => Uint8Array, count: number): Uint32Array {
  const bytes = random(4 * count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: count }, (_, index) => view.getUint32(4 * index, true));
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let index = 0; index < exponent; index += 1) result = Math.imul(result, base);
  return result;
}

/** Modulo 2^32, of an odd number: each round doubles the bits that are right. */
function inverseOf(base: number): number {
  let inverse = base;
  for (let round = 0; round < 5; round += 1) inverse = Math.imul(inverse, 2 - Math.imul(base, inverse));
  return inverse;
}
