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
  /** How far it begins with the end of the text before. What keeps within that was found there. */
  known: number;
}

/** Longer pieces are looked through by themselves. */
const SHORT = SLICE / 2;
/** Of each text the next one begins with so much, because what began in it may go on there. */
const GOES_ON = 1024;
/** No value goes on across it, and no instruction is hidden by it. */
export const BETWEEN = '\n|\n';
/** Names of the protocol's that say nothing of the value: its text begins a line, as it does for its reader. */
const SAY_NOTHING = new Set(['text', 'message', 'description', 'title', 'content', 'data', 'instructions']);
const PROTOCOL: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['type', new Set(['text', 'image', 'audio', 'resource', 'resource_link'])],
  ['role', new Set(['user', 'assistant'])],
]);

/**
 * The pieces of an answer as few texts, because what a short one means is said by what stands beside it: a number by its member's
 * name, and half an instruction by the other half.
 */
export function* textsOf(pieces: Iterable<Piece>): Generator<Joined> {
  let joined = new Joining();
  for (const piece of saying(pieces)) {
    if (joined.length > 0 && joined.length + piece.text.length > SHORT) {
      // A name goes with its value.
      const name = joined.takeNameOf(piece);
      if (joined.hasMore) yield joined.done();
      joined = new Joining(joined);
      if (name !== null) joined.add(name);
    }
    joined.add(piece);
  }
  if (joined.hasMore) yield joined.done();
}

/** Without words of the protocol's that stand between two texts of a server's: `"type": "text"`, and `"text":` itself. */
function* saying(pieces: Iterable<Piece>): Generator<Piece> {
  let name: Piece | null = null;
  for (const piece of pieces) {
    if (piece.text === '') continue;
    if (piece.kind === 'name') {
      if (name !== null) yield name;
      name = SAY_NOTHING.has(piece.text) ? null : piece;
      continue;
    }
    const said = name?.place === piece.place ? PROTOCOL.get(name?.text ?? '') : undefined;
    if (name !== null && !said?.has(piece.text)) yield name;
    if (!said?.has(piece.text)) yield piece;
    name = null;
  }
  if (name !== null) yield name;
}

class Joining {
  readonly #segments: Segment[] = [];
  readonly #known: number = 0;
  #text = '';

  constructor(before: Joining | null = null) {
    if (before === null) return;
    this.#text = before.#text.slice(-GOES_ON);
    this.#known = this.#text.length;
    const by = before.length - this.#known;
    this.#segments = before.#segments
      .filter(({ end }) => end > by)
      .map(({ start, end, piece }) => ({ start: start - by, end: end - by, piece }));
  }

  get length(): number {
    return this.#text.length;
  }

  /** Whether anything was added. */
  get hasMore(): boolean {
    return this.#text.length > this.#known;
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
    return { text: this.#text, segments: this.#segments, known: this.#known };
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
