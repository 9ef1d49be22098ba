import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { canonicalSorted, isObject, JsonError, JsonNumber, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';

/** A request that cannot be put to Cedar. It is denied; the message holds no value of the request. */
export class NotEvaluable extends Error {
  override readonly name = 'NotEvaluable';
}

/** How numbers that Cedar has no type for are written: as they were sent, or as Python prints them for the reference. */
export type NumberText = 'lexeme' | 'python';

/** Cedar's JSON reader reads objects with these members as its own escapes (ATK-13). */
export const CEDAR_ESCAPES: readonly string[] = ['__entity', '__extn', '__expr'];

/** Cedar's reader gives up at 128 levels, of which a context takes some. */
const MAX_DEPTH = 100;

/**
 * Tool arguments as Cedar reads them (contracts section 7): null members and items are absent, safe integers are Long, every
 * other number is its text in a String.
 *
 * @throws GatewayError ARGUMENTS_REFUSED for a member name that is a Cedar escape, at any depth
 * @throws NotEvaluable for what Cedar cannot carry
 */
export function cedarRecord(value: JsonObject, numbers: NumberText): Record<string, CedarValueJson> {
  return convertObject(value, numbers, 0);
}

/** A text of the request. @throws NotEvaluable for an unpaired surrogate */
export function cedarText(text: string): string {
  if (!text.isWellFormed()) throw new NotEvaluable('the request holds an unpaired surrogate');
  return text;
}

/** A count in the request. @throws NotEvaluable for what is no safe integer: policies would see another number */
export function cedarLong(count: number): number {
  if (!Number.isSafeInteger(count)) throw new NotEvaluable('the request holds a count that is no safe integer');
  return count;
}

function convert(value: Exclude<JsonValue, null>, numbers: NumberText, depth: number): CedarValueJson {
  if (typeof value === 'string') return cedarText(value);
  if (typeof value === 'boolean' || typeof value === 'number') return value;
  if (value instanceof JsonNumber) return convertNumber(value.lexeme, numbers);
  if (depth >= MAX_DEPTH) throw new NotEvaluable(`the arguments nest deeper than ${MAX_DEPTH} levels`);
  if (isObject(value)) return convertObject(value, numbers, depth + 1);
  return value.filter((item) => item !== null).map((item) => convert(item, numbers, depth + 1));
}

function convertObject(object: JsonObject, numbers: NumberText, depth: number): Record<string, CedarValueJson> {
  const entries: [string, CedarValueJson][] = [];
  for (const [key, value] of Object.entries(object)) {
    if (CEDAR_ESCAPES.includes(key))
      throw new GatewayError('ARGUMENTS_REFUSED', 'an argument is named like a Cedar escape');
    if (value !== null) entries.push([cedarText(key), convert(value, numbers, depth)]);
  }
  // fromEntries defines own members, so that `__proto__` is only a name (G6).
  return Object.fromEntries(entries);
}

function convertNumber(lexeme: string, numbers: NumberText): CedarValueJson {
  if (lexeme === '-0') return 0;
  if (numbers === 'lexeme') return lexeme;
  try {
    return canonicalSorted(new JsonNumber(lexeme));
  } catch (error) {
    if (error instanceof JsonError) throw new NotEvaluable('the arguments hold a number that is too large');
    throw error;
  }
}
