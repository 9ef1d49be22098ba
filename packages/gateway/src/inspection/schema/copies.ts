import { isObject, JsonError, JsonNumber, type JsonValue, parseJson, stringifyJson } from '@cmcp/evidence';

/** Texts in texts that are looked into. */
const MAX_NESTING = 3;

/**
 * Puts `instead` in the place of whatever says the same as what it is keyed by, wherever in `value` that stands, and in texts that
 * are JSON too: servers put a copy of structured content in a text, for clients that know no other (G18).
 */
export function copiesReplaced(value: JsonValue, instead: ReadonlyMap<JsonValue, JsonValue>): JsonValue {
  if (instead.size === 0) return value;
  const known = new Map([...instead].map(([before, after]) => [meaning(before), after]));
  return new Replacer(known).replaced(value, 0);
}

class Replacer {
  readonly #instead: ReadonlyMap<string, JsonValue>;

  constructor(instead: ReadonlyMap<string, JsonValue>) {
    this.#instead = instead;
  }

  replaced(value: JsonValue, nesting: number): JsonValue {
    if (typeof value === 'string') return this.#text(value, nesting);
    if (!Array.isArray(value) && !isObject(value)) return value;
    const after = this.#instead.get(meaning(value));
    if (after !== undefined) return after;
    if (Array.isArray(value)) return value.map((item) => this.replaced(item, nesting));
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.replaced(item, nesting)]));
  }

  /** The text as it was where nothing in it is replaced. */
  #text(text: string, nesting: number): string {
    const value = nesting < MAX_NESTING ? documentIn(text) : null;
    if (value === null) return text;
    const before = stringifyJson(value);
    const after = stringifyJson(this.replaced(value, nesting + 1));
    return after === before ? text : after;
  }
}

/** The object or list that a text is; null for any other text. */
function documentIn(text: string): JsonValue | null {
  if (!/^\s*[[{"]/.test(text)) return null;
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}

/** The same text for values that mean the same, in whatever order their members stand and however their numbers are written. */
function meaning(value: JsonValue): string {
  if (value instanceof JsonNumber) return String(Number(value.lexeme));
  if (Array.isArray(value)) return `[${value.map(meaning).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${meaning(value[name] ?? null)}`).join()}}`;
}
