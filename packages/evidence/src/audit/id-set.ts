import { hexDigit } from '../bytes/hex.ts';

/** A UUID as four 32-bit words. */
type Words = readonly [number, number, number, number];

/** How many slots are looked at for an id: ids that were made to collide cost no more. */
const MAX_STEPS = 64;

/**
 * A set of texts that takes 16 bytes for a UUID in lower case, which nearly every id in a chain is: of a long chain all ids have to be
 * kept. A table with open addressing, at most half full, where a slot of zeros is free; what has no place in it is kept as a text.
 */
export class IdSet {
  #slots = new Uint32Array(4 * 1024);
  #taken = 0;
  readonly #others = new Set<string>();

  get size(): number {
    return this.#taken + this.#others.size;
  }

  /** Adds `id`, and says whether it is new. */
  add(id: string): boolean {
    // A UUID may be among them too.
    if (this.#others.size > 0 && this.#others.has(id)) return false;
    const words = wordsOf(id);
    if (words === null) return this.#keep(id);
    if (8 * this.#taken >= this.#slots.length) this.#grow();
    return this.#insert(words) ?? this.#keep(id);
  }

  #keep(id: string): true {
    this.#others.add(id);
    return true;
  }

  /** False: it is there. Null: there is no slot for it near its place. */
  #insert(words: Words): boolean | null {
    const [a, b, c, d] = words;
    const slots = this.#slots;
    const last = slots.length / 4 - 1;
    const place = mixed(words);
    for (let step = 0; step < MAX_STEPS; step++) {
      const at = ((place + step) & last) * 4;
      if (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c && slots[at + 3] === d) return false;
      if (isFree(slots, at)) {
        slots[at] = a;
        slots[at + 1] = b;
        slots[at + 2] = c;
        slots[at + 3] = d;
        this.#taken++;
        return true;
      }
    }
    return null;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 * old.length);
    this.#taken = 0;
    for (let at = 0; at < old.length; at += 4) {
      if (isFree(old, at)) continue;
      const [a = 0, b = 0, c = 0, d = 0] = old.subarray(at, at + 4);
      if (this.#insert([a, b, c, d]) === null) this.#keep(textOf([a, b, c, d]));
    }
  }
}

function isFree(slots: Uint32Array, at: number): boolean {
  return slots[at] === 0 && slots[at + 1] === 0 && slots[at + 2] === 0 && slots[at + 3] === 0;
}

/** The words spread over 32 bits. */
function mixed(words: Words): number {
  let hash = 0;
  for (const word of words) {
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/** The words of a UUID in lower case; null for any other text, and for the UUID of zeros. */
function wordsOf(text: string): Words | null {
  const dashed = text[8] === '-' && text[13] === '-' && text[18] === '-' && text[23] === '-';
  if (text.length !== 36 || !dashed) return null;
  const a = pairOf(half(text, 0), half(text, 4));
  const b = pairOf(half(text, 9), half(text, 14));
  const c = pairOf(half(text, 19), half(text, 24));
  const d = pairOf(half(text, 28), half(text, 32));
  if (a < 0 || b < 0 || c < 0 || d < 0) return null;
  return a + b + c + d === 0 ? null : [a, b, c, d];
}

/** The number that four hexadecimal digits write; negative where one is none. */
function half(text: string, from: number): number {
  let value = 0;
  // Once negative it stays so.
  for (let i = from; i < from + 4; i++) value = (value << 4) | hexDigit(text.charCodeAt(i));
  return value;
}

function pairOf(high: number, low: number): number {
  return high < 0 || low < 0 ? -1 : high * 0x10000 + low;
}

function textOf(words: Words): string {
  const hex = words.map((word) => word.toString(16).padStart(8, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
