import type { GivenFile, Place } from './given-file.ts';

/** A half-open range of bytes. */
export interface Span {
  start: number;
  end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const LF = 0x0a;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** The bytes at `place`, as they were received; null where there are none. */
export function bytesAt(files: readonly GivenFile[], place: Place): Uint8Array<ArrayBuffer> | null {
  const bytes = files.find((file) => file.id === place.file)?.bytes;
  const span = bytes === undefined ? null : spanOf(bytes, place);
  if (bytes === undefined || span === null) return null;
  const slice = bytes.subarray(span.start, span.end);
  return place.form === 'base64' ? decoded(slice) : slice;
}

/** Where `place` is in the bytes of its file; null where it is not. */
export function spanOf(bytes: Uint8Array, { form, path }: Place): Span | null {
  if (form === 'file') return { start: 0, end: bytes.length };
  if (form !== 'line') return jsonSpan(bytes, path);
  const [line = 0, ...inner] = path;
  const span = lineSpan(bytes, Number(line));
  if (span === null || inner.length === 0) return span;
  const found = jsonSpan(bytes.subarray(span.start, span.end), inner);
  return found === null ? null : { start: span.start + found.start, end: span.start + found.end };
}

/**
 * Where the value at `path` is in a JSON text. Only finds places: whether the text is strict JSON is the verifier's question,
 * and in a text that is not, a place may be missing.
 */
function jsonSpan(bytes: Uint8Array, path: readonly (string | number)[]): Span | null {
  let at = pastSpace(bytes, 0);
  for (const step of path) {
    const next = typeof step === 'number' ? itemOf(bytes, at, step) : memberOf(bytes, at, step);
    if (next === null) return null;
    at = next;
  }
  const end = pastValue(bytes, at);
  return end > at ? { start: at, end } : null;
}

/** Where the item number `index` of the array at `at` starts. */
function itemOf(bytes: Uint8Array, at: number, index: number): number | null {
  let item = firstInside(bytes, at, 0x5b);
  for (let i = 0; i < index && item !== null; i++) item = pastComma(bytes, pastValue(bytes, item));
  return item;
}

/** Where the value of the member `name` of the object at `at` starts. */
function memberOf(bytes: Uint8Array, at: number, name: string): number | null {
  let key = firstInside(bytes, at, 0x7b);
  while (key !== null) {
    const end = pastValue(bytes, key);
    const value = pastSpace(bytes, pastSpace(bytes, end) + 1);
    if (textOf(bytes.subarray(key, end)) === name) return value;
    key = pastComma(bytes, pastValue(bytes, value));
  }
  return null;
}

/** The start of the first thing inside the bracket at `at`; null for another bracket, or an empty pair. */
function firstInside(bytes: Uint8Array, at: number, bracket: number): number | null {
  if (bytes[at] !== bracket) return null;
  const first = pastSpace(bytes, at + 1);
  return CLOSE.has(bytes[first] ?? 0) ? null : first;
}

function pastComma(bytes: Uint8Array, at: number): number | null {
  const comma = pastSpace(bytes, at);
  return bytes[comma] === COMMA ? pastSpace(bytes, comma + 1) : null;
}

function pastSpace(bytes: Uint8Array, at: number): number {
  let next = at;
  while (SPACE.has(bytes[next] ?? 0)) next++;
  return next;
}

function pastValue(bytes: Uint8Array, at: number): number {
  let depth = 0;
  let next = at;
  while (next < bytes.length) {
    const byte = bytes[next] ?? 0;
    if (byte === QUOTE) {
      next = pastString(bytes, next);
      if (depth === 0) return next;
      continue;
    }
    if (OPEN.has(byte)) depth++;
    else if (CLOSE.has(byte)) {
      depth--;
      if (depth <= 0) return depth < 0 ? next : next + 1;
    } else if (depth === 0 && (byte === COMMA || SPACE.has(byte))) return next;
    next++;
  }
  return next;
}

function pastString(bytes: Uint8Array, at: number): number {
  let next = at + 1;
  while (next < bytes.length && bytes[next] !== QUOTE) next += bytes[next] === BACKSLASH ? 2 : 1;
  return Math.min(next + 1, bytes.length);
}

/** The text that a JSON string stands for; null when it is none. */
function textOf(bytes: Uint8Array): string | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'string' ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function lineSpan(bytes: Uint8Array, line: number): Span | null {
  let start = 0;
  for (let i = 0; i < line; i++) {
    const end = bytes.indexOf(LF, start);
    if (end < 0) return null;
    start = end + 1;
  }
  const end = bytes.indexOf(LF, start);
  return start < bytes.length ? { start, end: end < 0 ? bytes.length : end } : null;
}

/** What a JSON string in base64 or base64url encodes; the string itself when it is neither. */
function decoded(json: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const text = textOf(json) ?? '';
  if (!/^[\w+/-]+={0,2}$/.test(text)) return json;
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(binary, (char) => char.charCodeAt(0));
  } catch (error) {
    if (error instanceof DOMException) return json;
    throw error;
  }
}
