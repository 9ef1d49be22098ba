import { isObject, JsonNumber, type JsonValue, member } from '@cmcp/evidence';
import { readBody } from './body-text.ts';
import type { Passage } from './types.ts';

/** Where something stands in an answer. Written out as a path only where something is found. */
export interface Place {
  readonly parent: Place | null;
  readonly key: string | number;
}

/** One text of an answer as the walk comes to it. */
export interface Piece {
  place: Place | null;
  kind: Passage['kind'];
  text: string;
  /** Of an item of a list: the name of the member that holds the list, which says what a bare value is. */
  of: string | null;
}

/** Numbers of fewer characters say nothing of anybody; in a list, where only the list has a name, those of fewer than this. */
const MIN_NUMBER = 3;
const MIN_ITEM = 6;

/** A list or an object that the walk is inside of. */
interface Frame {
  place: Place | null;
  /** Null: a list. */
  names: readonly string[] | null;
  values: readonly JsonValue[];
  next: number;
  of: string | null;
  /** Whether its reader sees it as it is written, and not what a body of it stands for. */
  isShown: boolean;
}

/**
 * Everything in an answer that is text or may be read as text, in the order in which it stands: names of members, texts, numbers as
 * written, and what base64 bodies decode to. Bodies that are not text are counted.
 */
export class Passages implements Iterable<Piece> {
  /** Bodies that hold something else than text: nobody looked into them. */
  notScanned = 0;
  readonly #answer: JsonValue;

  constructor(answer: JsonValue) {
    this.#answer = answer;
  }

  *[Symbol.iterator](): Generator<Piece> {
    yield* this.#piecesOf(this.#answer, null, null, null);
    const inside: Frame[] = [];
    enter(inside, this.#answer, null, null, true);
    for (let frame = inside.at(-1); frame !== undefined; frame = inside.at(-1)) {
      const index = frame.next;
      const value = frame.values[index];
      if (value === undefined) {
        inside.pop();
        continue;
      }
      frame.next += 1;
      const name = frame.names?.[index];
      const place = { parent: frame.place, key: name ?? index };
      if (name !== undefined) yield { place, kind: 'name', text: name, of: null };
      yield* this.#piecesOf(value, place, name === undefined ? frame.of : null, frame);
      enter(inside, value, place, name ?? frame.of, SHOWN.get(name) ?? frame.isShown);
    }
  }

  #piecesOf(value: JsonValue, place: Place | null, of: string | null, within: Frame | null): Piece[] {
    if (typeof value === 'string') return this.#textsOf(value, place, of, within);
    if (typeof value !== 'number' && !(value instanceof JsonNumber)) return [];
    const text = lexeme(value);
    const least = within !== null && within.names === null ? MIN_ITEM : MIN_NUMBER;
    return text.length < least ? [] : [{ place, kind: 'number', text, of }];
  }

  #textsOf(value: string, place: Place | null, of: string | null, within: Frame | null): Piece[] {
    const body = isBody(place, within) ? readBody(value) : null;
    if (body === null) return [{ place, kind: 'text', text: value, of }];
    const decoded: Piece[] = body.text === null ? [] : [{ place, kind: 'body', text: body.text, of }];
    if (body.exact) return decoded;
    this.notScanned += 1;
    const isRead = value.length <= MAX_SHORT_BODY || within?.isShown === true;
    return isRead ? [{ place, kind: 'text', text: value, of }, ...decoded] : decoded;
  }
}

/** A body that is no text, and this short, may be a credential or words that somebody put there. */
const MAX_SHORT_BODY = 1024;

/** A number as it is written. */
export function lexeme(value: number | JsonNumber): string {
  return typeof value === 'number' ? String(value) : value.lexeme;
}

/** Where clients make pictures of bodies, and where they give them to the model as they are. */
const SHOWN: ReadonlyMap<string | undefined, boolean> = new Map([
  ['content', false],
  ['contents', false],
  ['structuredContent', true],
  ['_meta', true],
]);

function enter(inside: Frame[], value: JsonValue, place: Place | null, of: string | null, isShown: boolean): void {
  if (Array.isArray(value)) inside.push({ place, names: null, values: value, next: 0, of, isShown });
  else if (isObject(value)) {
    inside.push({ place, names: Object.keys(value), values: Object.values(value), next: 0, of: null, isShown });
  }
}

const MEDIA: readonly (JsonValue | undefined)[] = ['image', 'audio'];

/** Whether MCP has base64 here: `blob` of a resource, `data` of an image or a sound. */
function isBody(place: Place | null, within: Frame | null): boolean {
  if (place === null || within?.names == null) return false;
  return isBodyMember(place.key, (name) => within.values[within.names?.indexOf(name) ?? -1]);
}

/** Whether a member of an object is a base64 body, by its name and what stands beside it. */
export function isBodyMember(name: string | number, beside: (name: string) => JsonValue | undefined): boolean {
  if (name === 'blob') return typeof beside('uri') === 'string';
  return name === 'data' && MEDIA.includes(beside('type'));
}

/** The members beside one of an object's. */
export const besides =
  (object: { [name: string]: JsonValue }) =>
  (name: string): JsonValue | undefined =>
    member(object, name);

/** The way from the root to a place. */
export function pathOf(place: Place | null): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at = place; at !== null; at = at.parent) path.push(at.key);
  return path.reverse();
}
