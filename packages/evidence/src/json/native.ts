import { isObject, JsonNumber, type JsonObject, type JsonValue } from './value.ts';

/** Deeper values are for our own reader and writer, which are bounded by themselves. */
const MAX_DEPTH = 64;

/** What the sorted canonical form does not escape, but for quotes and backslashes, which JSON escapes alike. */
const PRINTABLE = /^[\x20-\x7e]*$/;

/**
 * The object in `text` where the engine writes it again as exactly `text`, else null. Then the strict parser would read the same:
 * what the engine writes has no space, no member twice, and no escape but the needed ones; `\ud` it writes for an unpaired
 * surrogate only. Numbers are still to be looked at, by a {@link Survey}: it writes fractions too.
 */
export function parseNatively(text: string): JsonObject | null {
  if (text.includes('\\ud')) return null;
  try {
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) && JSON.stringify(value) === text ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}

/** The sorted canonical form of `value` where the engine writes just that, several times faster than we can; else null. */
export function writeNatively(value: JsonObject): string | null {
  const { plain, sorted } = new Survey(value);
  if (!plain || !sorted) return null;
  const text = JSON.stringify(value);
  return PRINTABLE.test(text) ? text : null;
}

/** Looks through a value, once. */
export class Survey {
  /** Values in it, as the parser counts them: every scalar, array and object once. */
  items = 0;
  /** No number in it is or needs a {@link JsonNumber}, and it is not nested too deeply. */
  plain = true;
  /** The members of every object come in the order of their names: by UTF-16 units, which in ASCII is by code points. */
  sorted = true;

  constructor(value: JsonValue) {
    this.#look(value, 0);
  }

  #look(value: JsonValue, depth: number): void {
    this.items++;
    if (typeof value === 'number') this.plain &&= Number.isSafeInteger(value);
    if (typeof value !== 'object' || value === null) return;
    if (depth === MAX_DEPTH || value instanceof JsonNumber) this.plain = false;
    else if (Array.isArray(value)) for (const item of value) this.#look(item, depth + 1);
    else this.#members(value, depth + 1);
  }

  #members(object: JsonObject, depth: number): void {
    let previous: string | null = null;
    for (const key of Object.keys(object)) {
      if (previous !== null && key < previous) this.sorted = false;
      previous = key;
      this.#look(object[key] as JsonValue, depth);
    }
  }
}
