import type { Leaves } from './leaves.ts';
import { isEncodable, type ReadingBudget, readings } from './readings.ts';
import { SLICE, slicesOf } from './slices.ts';
import type { SubjectMemory } from './subject-memory.ts';
import { ValueStream } from './value-stream.ts';
import type { FlowSource } from './view.ts';
import { ANCHOR, WINDOW } from './window-key.ts';

/** Characters that decoding may come to, however little was sent; and however much. */
const DECODED_BASE = 262_144;
const MAX_DECODED = 2 * 1024 * 1024;

/** Adds to `found` what gave anything of what is carried, in steps. False when it was not read to its end. */
export function* tracing(
  memory: SubjectMemory,
  { texts, names }: Leaves,
  most: number,
  found: Set<FlowSource>,
): Generator<void, boolean> {
  const size = [...texts, ...names].reduce((sum, text) => sum + text.length, 0);
  if (size > most) return false;
  const budget: ReadingBudget = { characters: Math.min(DECODED_BASE + 8 * size, MAX_DECODED) };
  // All texts in a row first: a value may have been split over several.
  yield* traceTexts(memory, texts, found);
  yield* traceTexts(memory, names, found);
  for (const text of [...texts, ...names, ...joinedParts(texts)]) {
    for (const reading of readings(text, budget)) {
      if (reading === null) yield;
      else yield* traceTexts(memory, [reading], found);
    }
  }
  return budget.characters >= 0;
}

/** Texts in a row that may be parts of one that was encoded, joined. */
function joinedParts(texts: readonly string[]): string[] {
  const joined: string[] = [];
  let parts: string[] = [];
  for (const text of [...texts, '']) {
    if (isEncodable(text, 1)) {
      parts.push(text);
      continue;
    }
    if (parts.length > 1) joined.push(parts.join(''));
    parts = [];
  }
  return joined;
}

function* traceTexts(memory: SubjectMemory, texts: readonly string[], found: Set<FlowSource>): Generator<void, void> {
  let stream = new ValueStream();
  for (const text of texts) {
    for (const slice of slicesOf(text)) {
      stream.add(slice);
      if (stream.length < SLICE) continue;
      traceStream(memory, stream, found);
      stream = endOf(stream);
      yield;
    }
  }
  traceStream(memory, stream, found);
  yield;
}

function traceStream(memory: SubjectMemory, { codes, length, values }: ValueStream, found: Set<FlowSource>): void {
  const rotated = rotatedCodes(codes, length);
  memory.within(codes, length, found);
  memory.within(rotated, length, found);
  // What is shorter than an anchor is looked for as a value by itself.
  for (let index = 0; index < values.length; index += 3) {
    const [start = 0, size = 0] = [values[index], values[index + 1]];
    if (size >= ANCHOR) continue;
    const turned = codes.slice(start, start + size).reverse();
    memory.at(codes, start, size, found);
    memory.at(rotated, start, size, found);
    memory.at(turned, 0, size, found);
    memory.at(rotatedCodes(turned, size), 0, size, found);
  }
}

/** A new stream that goes on where one ends, so that no window is lost between them. */
function endOf(stream: ValueStream): ValueStream {
  const rest = new ValueStream();
  for (let index = Math.max(0, stream.length - WINDOW + 1); index < stream.length; index += 1) {
    rest.push(stream.codes[index] ?? 0);
  }
  return rest;
}

/** Letters of the Latin alphabet 13 further. */
function rotatedCodes(codes: Uint16Array, length: number): Uint16Array {
  const rotated = codes.slice(0, length);
  for (let index = 0; index < length; index += 1) {
    const code = rotated[index] ?? 0;
    if (code >= 97 && code <= 122) rotated[index] = code >= 110 ? code - 13 : code + 13;
  }
  return rotated;
}
