/** Half of the places stay free, so that what is not there is soon not found. */
const FULL = 1 / 2;
const SMALLEST = 256;
/** Bytes per place: two fingerprints and a holder, an anchor with its lengths, and its part of the filter. */
const PLACE_BYTES = 3 * 4 + 4 + 4 + 1;
/** Bits of the filter per place, and per number of it. */
const [FILTER_BITS, NUMBER_BITS] = [8, 32];

/**
 * Fingerprints with the holder of each, and the anchors by which they are found with the lengths that begin there. Plain numbers in flat
 * arrays: a million of them cost no garbage.
 */
export class FingerprintTable {
  #capacity = SMALLEST;
  #first = new Uint32Array(SMALLEST);
  #second = new Uint32Array(SMALLEST);
  /** 0: the place is free. */
  #holders = new Uint32Array(SMALLEST);
  #anchors = new Int32Array(SMALLEST);
  /** 0: the place is free. */
  #lengths = new Uint32Array(SMALLEST);
  /** A bit for each anchor: most of what is asked for is not there, and this is small enough to say so at once. */
  #filter = new Uint32Array((SMALLEST * FILTER_BITS) / NUMBER_BITS);
  /** Where what was asked for last is, or would be. */
  #asked = 0;
  #size = 0;
  #anchored = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#capacity * PLACE_BYTES;
  }

  /** 0: it is not known. */
  holderOf(first: number, second: number): number {
    this.#asked = this.#place(first, second);
    return this.#holders[this.#asked] ?? 0;
  }

  /** For what {@link holderOf} was asked for last. @param holder not 0 */
  put(first: number, second: number, holder: number): void {
    const place = this.#asked;
    if (this.#holders[place] === 0) this.#size += 1;
    this.#first[place] = first;
    this.#second[place] = second;
    this.#holders[place] = holder;
    if (this.#size > this.#capacity * FULL) this.#grow();
  }

  /** The lengths of windows that begin with an anchor, as bits; 0: none does. */
  lengthsAt(anchor: number): number {
    const spread = mixed(anchor);
    const bit = spread & (this.#capacity * FILTER_BITS - 1);
    if (((this.#filter[bit >>> 5] ?? 0) & (1 << bit)) === 0) return 0;
    const mask = this.#capacity - 1;
    const anchors = this.#anchors;
    const lengths = this.#lengths;
    for (let at = spread & mask; ; at = (at + 1) & mask) {
      const known = lengths[at] ?? 0;
      if (known === 0 || anchors[at] === anchor) return known;
    }
  }

  putAnchor(anchor: number, length: number): void {
    const mask = this.#capacity - 1;
    let at = mixed(anchor) & mask;
    while (this.#lengths[at] !== 0 && this.#anchors[at] !== anchor) at = (at + 1) & mask;
    if (this.#lengths[at] === 0) this.#anchored += 1;
    this.#anchors[at] = anchor;
    this.#lengths[at] = (this.#lengths[at] ?? 0) | (1 << length);
    this.#note(anchor);
    if (this.#anchored > this.#capacity * FULL) this.#grow();
  }

  #note(anchor: number): void {
    const bit = mixed(anchor) & (this.#capacity * FILTER_BITS - 1);
    this.#filter[bit >>> 5] = (this.#filter[bit >>> 5] ?? 0) | (1 << bit);
  }

  #place(first: number, second: number): number {
    const mask = this.#capacity - 1;
    let at = mixed(first) & mask;
    while (this.#holders[at] !== 0 && (this.#first[at] !== first || this.#second[at] !== second)) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const [first, second, holders] = [this.#first, this.#second, this.#holders];
    const [anchors, lengths] = [this.#anchors, this.#lengths];
    this.#capacity *= 2;
    this.#first = new Uint32Array(this.#capacity);
    this.#second = new Uint32Array(this.#capacity);
    this.#holders = new Uint32Array(this.#capacity);
    this.#anchors = new Int32Array(this.#capacity);
    this.#lengths = new Uint32Array(this.#capacity);
    this.#filter = new Uint32Array((this.#capacity * FILTER_BITS) / NUMBER_BITS);
    const mask = this.#capacity - 1;
    for (let index = 0; index < holders.length; index += 1) {
      const holder = holders[index] ?? 0;
      if (holder === 0) continue;
      const place = this.#place(first[index] ?? 0, second[index] ?? 0);
      this.#first[place] = first[index] ?? 0;
      this.#second[place] = second[index] ?? 0;
      this.#holders[place] = holder;
    }
    for (let index = 0; index < lengths.length; index += 1) {
      const known = lengths[index] ?? 0;
      if (known === 0) continue;
      let at = mixed(anchors[index] ?? 0) & mask;
      while (this.#lengths[at] !== 0) at = (at + 1) & mask;
      this.#anchors[at] = anchors[index] ?? 0;
      this.#lengths[at] = known;
      this.#note(anchors[index] ?? 0);
    }
  }
}

/** The low bits of an anchor depend on little of its text. */
function mixed(hash: number): number {
  const spread = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (spread ^ (spread >>> 13)) >>> 0;
}
