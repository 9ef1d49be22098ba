import { JsonError } from './error.ts';
import { MAX_JSON_DEPTH } from './parse.ts';
import { JsonNumber, type JsonValue } from './value.ts';

/**
 * Compact JSON text of `value`. Number lexemes are kept, and so is the order of members, except that member names which are
 * array indices come first, as JavaScript orders them.
 *
 * @throws JsonError for what JSON cannot carry exactly: a `number` that is not a safe integer, or nesting beyond the limit
 */
export function stringifyJson(value: JsonValue): string {
  return write(value, 0);
}

function write(value: JsonValue, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return integerText(value);
  if (typeof value === 'boolean' || value === null) return String(value);
  if (value instanceof JsonNumber) return value.lexeme;
  const inner = deeper(depth);
  if (Array.isArray(value)) {
    let text = '';
    for (const item of value) text += (text === '' ? '' : ',') + write(item, inner);
    return `[${text}]`;
  }
  if (typeof value !== 'object') throw new JsonError('UNREPRESENTABLE', 0, `a ${typeof value} is not a JSON value`);
  let text = '';
  for (const key of Object.keys(value)) {
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${write(value[key] as JsonValue, inner)}`;
  }
  return `{${text}}`;
}

/** `depth + 1`, at most `most`: the bound that protects the stack, or a lower one. */
export function deeper(depth: number, most: number = MAX_JSON_DEPTH): number {
  if (depth >= most) throw new JsonError('TOO_DEEP', 0, `the value nests deeper than ${most} levels`);
  return depth + 1;
}

/** The text of a plain number, which by {@link JsonValue} is a safe integer. */
export function integerText(value: number): string {
  if (!Number.isSafeInteger(value)) {
    throw new JsonError('UNREPRESENTABLE', 0, `${value} is not an integer that JSON carries exactly`);
  }
  return String(value);
}
