import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { parseNatively, Survey } from './native.ts';
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

/** Longer lines are for the strict parser, which is bounded by itself. */
const NATIVE_BYTES = 65_536;

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
  const survey = new Survey(native);
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

function countValues(value: JsonValue): number {
  if (typeof value !== 'object' || value === null || value instanceof JsonNumber) return 1;
  return Object.values(value).reduce<number>((count, item) => count + countValues(item), 1);
}
