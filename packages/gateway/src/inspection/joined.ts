import type { Piece } from './passages.ts';
import { SLICE } from './slices.ts';

/** Where a piece stands in the text that is looked through. */
export interface Segment {
  start: number;
  end: number;
  piece: Piece;
}

/** Pieces as one text. */
export interface Joined {
  text: string;
  segments: Segment[];
}

/** Longer pieces are looked through by themselves. */
const SHORT = SLICE / 2;
/** No value goes on across it, and no instruction is hidden by it. */
const BETWEEN = '\n|\n';
/** Names of the protocol's that say nothing of the value: its text begins a line, as it does for its reader. */
const SAY_NOTHING = new Set(['text', 'message', 'description', 'title', 'content', 'data', 'instructions']);

/**
 * The pieces of an answer as few texts, because what a short one means is said by what stands beside it: a number by its member's
 * name, and half an instruction by the other half.
 */
export function* textsOf(pieces: Iterable<Piece>): Generator<Joined> {
  let joined = new Joining();
  for (const piece of pieces) {
    if (piece.text === '') continue;
    if (joined.length > 0 && joined.length + piece.text.length > SHORT) {
      // A name goes with its value.
      const name = joined.takeNameOf(piece);
      if (joined.length > 0) yield joined.done();
      joined = new Joining();
      if (name !== null) joined.add(name);
    }
    joined.add(piece);
  }
  if (joined.length > 0) yield joined.done();
}

class Joining {
  readonly #segments: Segment[] = [];
  #text = '';

  get length(): number {
    return this.#text.length;
  }

  add(piece: Piece): void {
    this.#text += this.#before(piece);
    const start = this.#text.length;
    this.#text += piece.text;
    this.#segments.push({ start, end: this.#text.length, piece });
  }

  /** The last piece, where it is the name of `value`: taken out again. */
  takeNameOf(value: Piece): Piece | null {
    const last = this.#segments.at(-1);
    if (last?.piece.kind !== 'name' || last.piece.place !== value.place) return null;
    this.#segments.pop();
    this.#text = this.#text.slice(0, last.start);
    return last.piece;
  }

  done(): Joined {
    return { text: this.#text, segments: this.#segments };
  }

  #before({ place, of, kind, text }: Piece): string {
    const last = this.#segments.at(-1)?.piece;
    if (last?.kind === 'name' && last.place === place) {
      return isProse(last.text, text) || kind === 'body' ? ':\n' : ': ';
    }
    const between = this.#text === '' ? '' : BETWEEN;
    return of === null || text.length < MIN_NAMED || isProse(of, text) ? between : `${between}${of}: `;
  }
}

/** Shorter items of a list are looked at without the list's name: what is this short is no value of anybody's. */
const MIN_NAMED = 6;

const isProse = (name: string, text: string): boolean => SAY_NOTHING.has(name) || text.length > 200;
