import { stringifyJson } from '@cmcp/evidence';
import type { Span } from './spans.ts';

/** A shorter value is a copy only where it is the whole of something: other texts hold its characters by chance. */
const MIN_PART = 4;
/** A shorter value is a copy only as a word. */
const MIN_ANYWHERE = 8;
/** Characters compared between two stops. */
const STEP = 20_000;
const NONE: ReadonlySet<number> = new Set();
const WORD = /[\p{L}\p{N}]/u;

/** A value that is taken out, and how. */
export interface Taken {
  rule: string;
  instead: string | null;
}

/** Finds what was taken out in one place wherever else it stands (G18, DET-08): one look at each character, however many there are. */
export class Copies {
  readonly #known = new Map<string, Taken>();
  /** By the first characters, how long values are that begin so: few lengths, however many values. */
  readonly #lengths = new Map<number, Set<number>>();

  add(value: string, taken: Taken): void {
    this.#add(value, taken);
    // As it stands in JSON that is text.
    const escaped = stringifyJson(value).slice(1, -1);
    if (escaped !== value) this.#add(escaped, taken);
  }

  #add(value: string, { rule, instead }: Taken): void {
    if (this.#known.has(value)) return;
    this.#known.set(value, { rule, instead });
    if (value.length < MIN_PART) return;
    const start = startOf(value, 0);
    const lengths = this.#lengths.get(start);
    if (lengths === undefined) this.#lengths.set(start, new Set([value.length]));
    else lengths.add(value.length);
  }

  /** Stops after each piece of work of bounded size. */
  *in(text: string): Generator<void, Span[]> {
    const whole = this.#known.get(text);
    if (whole !== undefined) return [{ ...whole, start: 0, end: text.length }];
    const found: Span[] = [];
    let work = 0;
    for (let at = 0; at + MIN_PART <= text.length; at += 1) {
      const lengths = this.#lengths.get(startOf(text, at)) ?? NONE;
      work += 1;
      for (const length of lengths) {
        work += 32 + length;
        const end = at + length;
        const wanted = this.#known.get(text.slice(at, end));
        if (wanted !== undefined && isCopy(text, at, end)) found.push({ ...wanted, start: at, end });
      }
      if (work < STEP) continue;
      work = 0;
      yield;
    }
    return found;
  }
}

function isCopy(text: string, start: number, end: number): boolean {
  return end - start >= MIN_ANYWHERE || !(WORD.test(text.charAt(start - 1)) || WORD.test(text.charAt(end)));
}

/** The first characters as a number. Different beginnings may come to the same. */
function startOf(text: string, at: number): number {
  const first = text.charCodeAt(at) * 31 + text.charCodeAt(at + 1);
  return first * 65_536 + text.charCodeAt(at + 2) * 31 + text.charCodeAt(at + 3);
}
