import { digest } from './crypto/sha256.ts';
import { JsonError } from './json/error.ts';
import { parseJson } from './json/parse.ts';
import { isObject, JsonNumber, type JsonObject, type JsonValue } from './json/value.ts';
import type { EntriesFile } from './session-file.ts';

/** Some 480,000 entries. Both bounds keep a forged file from taking all memory, which no report could be given after. */
const MAX_BYTES = 512 * 1024 * 1024;
const MAX_VALUES = 16_000_000;

const LF = 0x0a;

/** The entries in `bytes`, the file that a session file names; or, as a text, why they are not. */
export function readEntriesFile(named: EntriesFile, bytes: Uint8Array): JsonObject[] | string {
  // Callers without types: the answer is a report all the same.
  if (!(bytes instanceof Uint8Array)) return 'the entries were not given as bytes';
  if (bytes.length > MAX_BYTES) return `${named.name} is larger than ${MAX_BYTES} bytes`;
  if (digest(bytes) !== named.digest) return `${named.name} has not the digest that the session file names`;
  const values = readLines(bytes);
  if (typeof values === 'string') return `${named.name}: ${values}`;
  if (values.length === named.entries) return values;
  return `${named.name} has ${values.length} entries, and the session file says ${named.entries}`;
}

/** One object to a line, each line ended by one LF. */
function readLines(bytes: Uint8Array): JsonObject[] | string {
  const values: JsonObject[] = [];
  let room = MAX_VALUES;
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(LF, start);
    const number = values.length + 1;
    if (end < 0) return `line ${number} is not ended`;
    const value = readLine(bytes.subarray(start, end), room);
    if (typeof value === 'string') return `line ${number} ${value}`;
    room -= countValues(value);
    values.push(value);
    start = end + 1;
  }
  return values;
}

function readLine(line: Uint8Array, room: number): JsonObject | string {
  try {
    const value = parseJson(line, { items: room });
    return isObject(value) ? value : 'is not an object';
  } catch (error) {
    if (error instanceof JsonError) return `is not strict JSON: ${error.message}`;
    throw error;
  }
}

/** As the parser counts them: every scalar, array and object once. */
function countValues(value: JsonValue): number {
  if (typeof value !== 'object' || value === null || value instanceof JsonNumber) return 1;
  return Object.values(value).reduce<number>((count, item) => count + countValues(item), 1);
}
