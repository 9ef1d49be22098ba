import { FormatError } from '../format-error.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import { isObject } from '../json/value.ts';
import { LineCutter } from '../lines.ts';
import { shown } from './json-members.ts';

/** What a person can look through; the others are counted. */
const MAX_SHOWN = 100;
const MAX_LINE_BYTES = 16 * 1024 * 1024;

const LF = 0x0a;

/** Whether the bytes start with a line that is a whole object, and another that begins as one: audit entries beside a session file. */
export function beginsAsJsonLines(bytes: Uint8Array): boolean {
  const end = bytes.indexOf(LF);
  return bytes[0] === 0x7b && bytes[end - 1] === 0x7d && bytes[end + 1] === 0x7b;
}

/** The objects on the first 100 lines, and how many lines there are. @throws FormatError */
export function jsonLines(bytes: Uint8Array): unknown {
  const cutter = new LineCutter(MAX_LINE_BYTES);
  const entries: unknown[] = [];
  let lines = 0;
  for (const line of cutter.cut(bytes)) {
    lines++;
    if (lines <= MAX_SHOWN) entries.push(lineMembers(line, lines));
  }
  if (!cutter.isEmpty) throw new FormatError(`line ${lines + 1} is not ended`);
  return { lines, [lines > MAX_SHOWN ? `the first ${MAX_SHOWN}` : 'all']: entries };
}

function lineMembers(line: Uint8Array, number: number): unknown {
  try {
    const value = parseJson(line);
    if (isObject(value)) return shown(value);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`line ${number} is not strict JSON: ${error.message}`);
    throw error;
  }
  throw new FormatError(`line ${number} is not an object`);
}
