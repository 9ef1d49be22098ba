import type { Transform } from '../types.ts';

/** What a rewriter can undo, in the order of their bits. */
const UNDONE = ['unicode', 'invisible', 'ansi', 'entity', 'percent'] as const satisfies readonly Transform[];

export const UNICODE = 1;
export const INVISIBLE = 2;
export const ANSI = 4;
export const ENTITY = 8;
export const PERCENT = 16;
/** Bits of what was removed right after a unit stand above those of what became of the unit itself. */
const AFTER = 8;

function transformsOf(bits: number): Transform[] {
  return UNDONE.filter((_, bit) => ((bits | (bits >> AFTER)) & (1 << bit)) !== 0);
}

/** The units of a text that is rewritten from its end to its beginning, and where each came from. */
export class Units {
  #units: Uint16Array<ArrayBuffer>;
  #origins: Int32Array<ArrayBuffer>;
  #bits: Uint16Array<ArrayBuffer>;
  #removed = 0;
  size = 0;

  constructor(capacity: number) {
    this.#units = new Uint16Array(capacity);
    this.#origins = new Int32Array(capacity);
    this.#bits = new Uint16Array(capacity);
  }

  push(unit: number, origin: number, bits: number): void {
    if (this.size === this.#units.length) this.#grow();
    this.#units[this.size] = unit;
    this.#origins[this.size] = origin;
    this.#bits[this.size] = bits | (this.#removed << AFTER);
    this.#removed = 0;
    this.size += 1;
  }

  /** Notes that something was removed here. */
  removed(bits: number): void {
    this.#removed |= bits;
  }

  /** Takes the first `count` units away again, and gives what had to be undone to see them. */
  pop(count: number): number {
    let bits = 0;
    for (let index = 0; index < count; index += 1) {
      this.size -= 1;
      bits |= this.#bits[this.size] ?? 0;
    }
    return bits & ((1 << AFTER) - 1);
  }

  /** The unit at the given place from the beginning of what there is; -1: there is none. */
  peek(index: number): number {
    return index < this.size ? (this.#units[this.size - 1 - index] ?? -1) : -1;
  }

  /** The beginning of what there is. */
  front(length: number): string {
    let text = '';
    for (let index = 0; index < Math.min(length, this.size); index += 1) text += String.fromCharCode(this.peek(index));
    return text;
  }

  reading(original: string) {
    const units = this.#units.subarray(0, this.size).reverse();
    const origins = this.#origins.subarray(0, this.size).reverse();
    const bits = this.#bits.subarray(0, this.size).reverse();
    let all = this.#removed;
    for (const each of bits) all |= each | (each >> AFTER);
    return {
      text: Buffer.from(units.buffer, 0, units.byteLength).toString('utf16le'),
      via: transformsOf(all & ((1 << AFTER) - 1)),
      at: (offset: number): number => origins[offset] ?? original.length,
      within(start: number, end: number): Transform[] {
        let undone = 0;
        for (let index = start; index < end; index += 1) {
          const each = bits[index] ?? 0;
          // What was removed after the last unit is not within.
          undone |= index === end - 1 ? each & ((1 << AFTER) - 1) : each;
        }
        return transformsOf(undone);
      },
    };
  }

  #grow(): void {
    const capacity = this.size * 2 + 32;
    const [units, origins, bits] = [new Uint16Array(capacity), new Int32Array(capacity), new Uint16Array(capacity)];
    units.set(this.#units);
    origins.set(this.#origins);
    bits.set(this.#bits);
    [this.#units, this.#origins, this.#bits] = [units, origins, bits];
  }
}
