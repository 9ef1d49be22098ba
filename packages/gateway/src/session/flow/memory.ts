import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { type Sensitivity, UNEXPOSED } from '../exposure.ts';
import { declaredNames } from './declared-names.ts';
import { Echoes } from './echoes.ts';
import { leavesOf } from './leaves.ts';
import { isEncodable, type ReadingBudget, readings } from './readings.ts';
import { SubjectMemory } from './subject-memory.ts';
import type { FlowView } from './types.ts';
import { ValueStream } from './value-stream.ts';
import { type FlowSource, viewOf } from './view.ts';
import { ANCHOR, WINDOW, WindowKey } from './window-key.ts';

/** Every so many codes a window is remembered: every run of {@link WINDOW} + {@link STRIDE} - 1 codes holds one whole. */
export const STRIDE = 9;
/** Of ids that are longer than a window, shorter windows are remembered too: a part of a secret is one. */
const ID_WINDOW = 16;
const ID_STRIDE = 5;
/** Characters of one text that are read in one go. */
const SLICE = 16_384;
const MAX_WORD = 1024;
/** Milliseconds that one turn may take. */
const TURN_MS = 2;

export interface FlowLimits {
  /** Fingerprints of one subject in each of two generations. */
  perGeneration: number;
  /** Bytes of all subjects. */
  bytes: number;
  /** Characters of one answer, or of one request, that are looked at. */
  characters: number;
}

const LIMITS: FlowLimits = { perGeneration: 131_000, bytes: 64 * 1024 * 1024, characters: 4 * 1024 * 1024 };

/** What the memory needs of the world. */
export interface FlowDeps {
  random: (size: number) => Uint8Array;
  /** Milliseconds since an arbitrary moment. */
  monotonic: () => number;
  /** Runs a task after the turn of whoever asks. */
  soon: (task: () => void) => void;
  limits?: Partial<FlowLimits>;
}

/** Something that is about to be shown. */
export interface Shown {
  source: FlowSource;
  value: JsonValue;
  /** What the request that it answers carried. */
  sent: JsonValue;
}

/** Something that is about to be sent. */
export interface Carried {
  value: JsonValue;
  /** The approved schema of it; the names that it gives members are nobody's values. */
  schema: JsonObject | null;
}

/**
 * Where the values come from that each subject has been shown, as keyed fingerprints: no value is kept, and the key has no way out of
 * memory. What cannot be remembered is said: absence of a known flow is never evidence of no flow.
 */
export class FlowMemory {
  readonly #key: WindowKey;
  readonly #deps: FlowDeps;
  readonly #limits: FlowLimits;
  /** Those who were shown something least lately come first. */
  readonly #subjects = new Map<string, SubjectMemory>();
  /** By approved schema, for as long as that is in force. */
  readonly #declared = new WeakMap<JsonObject, ReadonlySet<string>>();

  constructor(deps: FlowDeps) {
    this.#deps = deps;
    this.#limits = { ...LIMITS, ...deps.limits };
    this.#key = new WindowKey(deps.random);
  }

  /** The subject has seen what this process knows nothing of. */
  missed(subject: string): void {
    this.#of(subject).miss();
  }

  /** What the subject has seen counts no longer. */
  clear(subject: string): void {
    this.#subjects.delete(subject);
  }

  /** Resolves once all that is shown is remembered, or what is not is noted. A reset meanwhile leaves the answer unremembered. */
  async learn(subject: string, shown: Shown): Promise<void> {
    const memory = this.#of(subject);
    await this.#inTurns(this.#learning(memory, shown));
    if (this.#subjects.get(subject) !== memory) this.missed(subject);
    this.#makeRoom(subject);
  }

  /** `exposed`: what stands for all that the subject has seen, where that is not all remembered; asked when it is traced. */
  async trace(subject: string, carried: Carried, exposed: () => Sensitivity): Promise<FlowView> {
    const memory = this.#subjects.get(subject);
    if (memory === undefined) return viewOf([], true, UNEXPOSED);
    const found = new Set<FlowSource>();
    const looked = memory.isEmpty || (await this.#inTurns(this.#tracing(memory, carried, found)));
    return viewOf(found, memory.complete && looked, exposed());
  }

  *#learning(memory: SubjectMemory, { value, sent, ...shown }: Shown): Generator<void, void> {
    const source = memory.source(shown.source);
    const { texts, names, bodies } = leavesOf(value);
    const echoes = new Echoes(this.#key, sent);
    const stream = new ValueStream();
    let strided = 0;
    let left = this.#limits.characters;
    const learn = (start: number, length: number): void => {
      if (!echoes.has(stream, start, length) || memory.knows(stream.codes, start, length)) {
        memory.learn(stream.codes, start, length, source);
      }
    };
    const flush = (): void => {
      for (; strided + WINDOW <= stream.length; strided += STRIDE) learn(strided, WINDOW);
      learnValues(stream, learn);
    };
    for (const text of [...texts, ...names, ...bodies.flatMap((body) => bodyText(body, memory))]) {
      left -= text.length;
      if (left < 0) {
        memory.miss();
        return;
      }
      for (const slice of slicesOf(text)) {
        stream.add(slice);
        if (stream.length - strided > SLICE) flush();
        yield;
      }
    }
    flush();
  }

  *#tracing(memory: SubjectMemory, { value, schema }: Carried, found: Set<FlowSource>): Generator<void, boolean> {
    const { texts, names } = leavesOf(value, this.#declaredBy(schema));
    const size = texts.reduce((sum, text) => sum + text.length, 0);
    if (size > this.#limits.characters) return false;
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

  #declaredBy(schema: JsonObject | null): ReadonlySet<string> {
    if (schema === null) return NO_NAMES;
    let names = this.#declared.get(schema);
    if (names === undefined) {
      names = declaredNames(schema);
      this.#declared.set(schema, names);
    }
    return names;
  }

  /** Runs the work to its end; the event loop turns where it takes long. */
  async #inTurns<T>(work: Generator<void, T>): Promise<T> {
    const { monotonic, soon } = this.#deps;
    let begun = monotonic();
    for (;;) {
      const step = work.next();
      if (step.done === true) return step.value;
      if (monotonic() - begun < TURN_MS) continue;
      await new Promise<void>((resolve) => soon(resolve));
      begun = monotonic();
    }
  }

  #of(subject: string): SubjectMemory {
    const known = this.#subjects.get(subject);
    const memory = known ?? new SubjectMemory(this.#key, this.#limits.perGeneration);
    this.#subjects.delete(subject);
    this.#subjects.set(subject, memory);
    return memory;
  }

  /** Whoever was shown something least lately is forgotten first, and `subject` last. */
  #makeRoom(subject: string): void {
    let bytes = [...this.#subjects.values()].reduce((sum, memory) => sum + memory.bytes, 0);
    for (const [name, memory] of this.#subjects) {
      if (bytes <= this.#limits.bytes || name === subject) return;
      bytes -= memory.bytes;
      memory.forget();
    }
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();

const SHORTEST_PART = 1;

/** Characters that decoding may come to, however little was sent; and however much. */
const DECODED_BASE = 262_144;
const MAX_DECODED = 2 * 1024 * 1024;

function learnValues(stream: ValueStream, learn: (start: number, length: number) => void): void {
  const { values } = stream;
  for (let index = 0; index < values.length; index += 3) {
    const [start = 0, length = 0, isId] = [values[index], values[index + 1], values[index + 2]];
    learn(start, Math.min(length, WINDOW));
    if (isId !== 1 || length <= ID_WINDOW) continue;
    for (let at = start; at + ID_WINDOW <= start + length; at += ID_STRIDE) learn(at, ID_WINDOW);
  }
  values.length = 0;
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

/** Texts in a row that may be parts of one that was encoded, joined. */
function joinedParts(texts: readonly string[]): string[] {
  const joined: string[] = [];
  let parts: string[] = [];
  for (const text of [...texts, '']) {
    if (isEncodable(text, SHORTEST_PART)) {
      parts.push(text);
      continue;
    }
    if (parts.length > 1) joined.push(parts.join(''));
    parts = [];
  }
  return joined;
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

function* slicesOf(text: string): Generator<string> {
  if (text.length <= SLICE) {
    yield text;
    return;
  }
  for (let from = 0; from < text.length; ) {
    const space = text.lastIndexOf(' ', from + SLICE) + 1;
    // Not within a word where that can be helped, and never between the halves of one character.
    const pair = (text.charCodeAt(from + SLICE - 1) & 0xfc00) === 0xd800;
    const to = space > from + SLICE - MAX_WORD ? space : from + SLICE + (pair ? 1 : 0);
    yield text.slice(from, to);
    from = to;
  }
}

/** What a body says; what is no text cannot be remembered beyond its base64, which is read as such. */
function bodyText(base64: string, memory: SubjectMemory): string[] {
  const text = Buffer.from(base64, 'base64').toString('utf8');
  if (!text.includes('�')) return [text];
  memory.miss();
  return [];
}
