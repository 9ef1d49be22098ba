import { rotated } from './folding.ts';

/** How a text is turned. */
export interface Turn {
  rotated: boolean;
  reversed: boolean;
}

/** What hits are of, in one turn: `stem` is its number. */
interface Entry {
  stem: number;
  length: number;
  turn: number;
}

export interface StemHit {
  stem: number;
  turn: number;
  start: number;
  end: number;
  /** How many letters the text has up to its end. */
  letters: number;
  /** Whether its words are taken apart: something other than the space between words stands between its letters. */
  isSplit: boolean;
}

export const TURNS: readonly Turn[] = [
  { rotated: false, reversed: false },
  { rotated: true, reversed: false },
  { rotated: false, reversed: true },
  { rotated: true, reversed: true },
];

const LETTERS = 26;
const LONGEST = 64;

/**
 * Finds stems of words in one pass over a text, whatever stands between their letters, and turned in any of {@link TURNS}: an
 * automaton (Aho and Corasick) over the letters alone.
 */
export class Stems {
  /** Of each state, by letter: the next state. */
  readonly #next: Int32Array;
  readonly #entries: readonly (readonly Entry[])[];
  /** 1: a state in which something was found. */
  readonly #found: Uint8Array;

  constructor(stems: readonly string[]) {
    const trie = new Trie(stems.reduce((sum, { length }) => sum + length, 0) * TURNS.length);
    for (const [stem, word] of stems.entries()) {
      for (const [turn, { rotated: isRotated, reversed }] of TURNS.entries()) {
        const letters = isRotated ? [...word].map(rotated) : [...word];
        trie.add(reversed ? letters.reverse() : letters, { stem, length: word.length, turn });
      }
    }
    ({ next: this.#next, entries: this.#entries } = trie.automaton());
    this.#found = Uint8Array.from(this.#entries, (entries) => (entries.length > 0 ? 1 : 0));
  }

  hits(text: string, letters: Uint8Array): StemHit[] {
    const hits: StemHit[] = [];
    const [next, found] = [this.#next, this.#found];
    const places = new Int32Array(LONGEST);
    let [state, count] = [0, 0];
    for (let index = 0; index < text.length; index += 1) {
      const letter = letters[text.charCodeAt(index)] as number;
      if (letter === 0) continue;
      places[count % LONGEST] = index;
      count += 1;
      state = next[state * LETTERS + letter - 1] as number;
      if (found[state] === 0) continue;
      for (const { stem, turn, length } of this.#entries[state] ?? []) {
        const start = places[(count - length) % LONGEST] ?? 0;
        hits.push({ stem, turn, start, end: index + 1, letters: count, isSplit: isSplit(text, letters, start, index) });
      }
    }
    return hits;
  }
}

/** A word or two with a space between them are whole; signs, or gaps at every other letter, take them apart. */
function isSplit(text: string, letters: Uint8Array, start: number, last: number): boolean {
  let [gaps, size] = [0, 0];
  for (let index = start; index <= last; index += 1) {
    const unit = text.charCodeAt(index);
    if (letters[unit] !== 0) size += 1;
    else if (unit !== 0x20) return true;
    else gaps += 1;
  }
  return gaps * 2 >= size;
}

class Trie {
  readonly #next: Int32Array;
  readonly #entries: Entry[][] = [[]];

  /** `capacity`: how many letters all words have together. */
  constructor(capacity: number) {
    this.#next = new Int32Array((capacity + 1) * LETTERS);
  }

  add(letters: readonly string[], entry: Entry): void {
    let node = 0;
    for (const letter of letters) {
      const at = node * LETTERS + letter.charCodeAt(0) - 0x61;
      if (this.#next[at] === 0) this.#next[at] = this.#entries.push([]) - 1;
      node = this.#next[at] as number;
    }
    this.#entries[node]?.push(entry);
  }

  automaton(): { next: Int32Array; entries: Entry[][] } {
    const next = this.#next.slice(0, this.#entries.length * LETTERS);
    const fallback = new Int32Array(this.#entries.length);
    // What is reached from a node is put behind it.
    const queue = [0];
    for (const node of queue) {
      for (let letter = 0; letter < LETTERS; letter += 1) {
        const child = next[node * LETTERS + letter] as number;
        const elsewhere = node === 0 ? 0 : (next[(fallback[node] as number) * LETTERS + letter] as number);
        if (child === 0) {
          next[node * LETTERS + letter] = elsewhere;
          continue;
        }
        fallback[child] = elsewhere;
        this.#entries[child]?.push(...(this.#entries[elsewhere] ?? []));
        queue.push(child);
      }
    }
    return { next, entries: this.#entries };
  }
}
