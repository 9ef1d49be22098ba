import { encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import { canonicalJcs } from './canonical.ts';
import { JsonError } from './error.ts';
import { type JsonLimits, parseJson } from './parse.ts';
import { isObject, type JsonObject } from './value.ts';

/**
 * Reads a document that is one JSON object, as strictly as {@link parseJson}.
 *
 * @param what names the document in errors
 * @throws FormatError
 */
export function readJsonObject(input: Uint8Array | string, what: string, limits: Partial<JsonLimits> = {}): JsonObject {
  // Callers without types: the answer is a verdict all the same.
  if (typeof input !== 'string' && !(input instanceof Uint8Array))
    throw new FormatError(`${what} is neither text nor bytes`);
  const value = orFormatError(() => parseJson(input, limits), `${what} is not strict JSON`);
  if (!isObject(value)) throw new FormatError(`${what} is not a JSON object`);
  return value;
}

/**
 * What is signed or hashed of an object: its RFC 8785 form, as bytes, as if it had no member `except`.
 *
 * @throws FormatError for an object that RFC 8785 cannot carry, such as one with an integer beyond ±(2^53−1)
 */
export function jcsBytes(object: JsonObject, what: string, except?: string): Uint8Array<ArrayBuffer> {
  const covered = Object.fromEntries(Object.entries(object).filter(([key]) => key !== except));
  return encodeUtf8(orFormatError(() => canonicalJcs(covered), `${what} has no canonical form`));
}

function orFormatError<T>(work: () => T, problem: string): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`${problem}: ${error.message}`);
    throw error;
  }
}
