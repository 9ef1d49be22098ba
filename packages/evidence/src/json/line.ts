import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { parseJson } from './parse.ts';
import { isObject, JsonNumber, type JsonObject, type JsonValue } from './value.ts';

/** The object on a line of JSON. */
export class JsonLine {
  readonly value: JsonObject;
  /** Values in it, as the parser counts them: every scalar, array and object once. */
  readonly items: number;
  /** The line, when it is the sorted canonical form of `value`. ASCII, so that places in text and bytes are the same. */
  readonly canonical: { readonly text: string; readonly bytes: Uint8Array } | null;

  constructor(value: JsonObject, items: number, canonical: JsonLine['canonical']) {
    this.value = value;
    this.items = items;
    this.canonical = canonical;
  }
}

/** What the engine's own parser is trusted with: longer or deeper lines are for the strict parser, which is bounded by itself. */
const NATIVE_BYTES = 65_536;
const NATIVE_DEPTH = 64;

/**
 * The object on a line, by the rules of {@link parseJson} and with the same result; null when it is something else.
 *
 * @param items values that the line may hold
 * @throws JsonError
 */
export function readJsonLine(line: Uint8Array, items: number): JsonLine | null {
  const text = line.length <= NATIVE_BYTES ? decoded(line) : null;
  const native = text === null ? null : parseNatively(text);
  if (text === null || native === null) return readStrictly(line, items);
  const survey = new Survey();
  survey.walk(native, 0);
  if (!survey.plain || survey.items > items) return readStrictly(line, items);
  // Not what the sorted form would escape: a text is as long as its bytes when it is ASCII, and DEL is the last of that.
  const isCanonical = survey.sorted && text.length === line.length && !text.includes('\x7f');
  return new JsonLine(native, survey.items, isCanonical ? { text, bytes: line } : null);
}

function readStrictly(line: Uint8Array, items: number): JsonLine | null {
  const value = parseJson(line, { items });
  return isObject(value) ? new JsonLine(value, countValues(value), null) : null;
}

function decoded(line: Uint8Array): string | null {
  try {
    return decodeUtf8(line);
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}

/**
 * The object in `text` where the engine writes it again as exactly `text`, else null. Then the strict parser would read the same:
 * what the engine writes has no space, no member twice, and no escape but the needed ones; `\ud` it writes for an unpaired
 * surrogate only. Numbers are still to be looked at: it writes fractions too.
 */
function parseNatively(text: string): JsonObject | null {
  if (text.includes('\\ud')) return null;
  try {
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) && JSON.stringify(value) === text ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}

/** Looks at a natively parsed value, once. */
class Survey {
  /** Values in it, as the parser counts them. */
  items = 0;
  /** No number in it is one that a {@link JsonNumber} must carry, and it is not nested too deeply. */
  plain = true;
  /** The members of every object come in the order of their names: by UTF-16 units, which in ASCII is by code points. */
  sorted = true;

  walk(value: JsonValue, depth: number): void {
    this.items++;
    if (typeof value === 'number') this.plain &&= Number.isSafeInteger(value);
    if (typeof value !== 'object' || value === null) return;
    if (depth === NATIVE_DEPTH) this.plain = false;
    else if (Array.isArray(value)) for (const item of value) this.walk(item, depth + 1);
    else if (isObject(value)) this.#members(value, depth + 1);
  }

  #members(object: JsonObject, depth: number): void {
    let previous: string | null = null;
    for (const key of Object.keys(object)) {
      if (previous !== null && key < previous) this.sorted = false;
      previous = key;
      this.walk(object[key] as JsonValue, depth);
    }
  }
}

function countValues(value: JsonValue): number {
  if (typeof value !== 'object' || value === null || value instanceof JsonNumber) return 1;
  return Object.values(value).reduce<number>((count, item) => count + countValues(item), 1);
}
