import { stringifyJson } from '@cmcp/evidence';
import type { Span } from './spans.ts';

/** A shorter value is a copy only where it is the whole of something: other texts hold its characters by chance. */
const MIN_PART = 4;
/** A shorter value is a copy only as a word. */
const MIN_ANYWHERE = 8;
/** Comparisons between two stops. */
const STEP = 50_000;
const WORD = /[\p{L}\p{N}]/u;

/** A value that is taken out, and how. */
export interface Taken {
  rule: string;
  instead: string | null;
}

interface Wanted extends Taken {
  value: string;
}

/** Finds what was taken out in one place wherever else it stands (G18, DET-08): one look at each character, however many there are. */
export class Copies {
  readonly #known = new Map<string, Wanted>();
  /** By the first characters. */
  readonly #byStart = new Map<number, Wanted[]>();

  add(value: string, taken: Taken): void {
    this.#add(value, taken);
    // As it stands in JSON that is text.
    const escaped = stringifyJson(value).slice(1, -1);
    if (escaped !== value) this.#add(escaped, taken);
  }

  #add(value: string, { rule, instead }: Taken): void {
    if (this.#known.has(value)) return;
    const wanted = { value, rule, instead };
    this.#known.set(value, wanted);
    if (value.length < MIN_PART) return;
    const start = startOf(value, 0);
    const alike = this.#byStart.get(start);
    if (alike === undefined) this.#byStart.set(start, [wanted]);
    else alike.push(wanted);
  }

  /** Stops after each piece of work of bounded size. */
  *in(text: string): Generator<void, Span[]> {
    const whole = this.#known.get(text);
    if (whole !== undefined) return [{ ...whole, start: 0, end: text.length }];
    const found: Span[] = [];
    let work = 0;
    for (let at = 0; at + MIN_PART <= text.length; at += 1) {
      const alike = this.#byStart.get(startOf(text, at));
      work += alike === undefined ? 1 : alike.length;
      for (const wanted of alike ?? []) {
        const end = at + wanted.value.length;
        if (text.startsWith(wanted.value, at) && isCopy(text, at, end)) found.push({ ...wanted, start: at, end });
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
