import { isUtf8 } from 'node:buffer';
import type { JsonValue } from '@cmcp/evidence';
import { Echoes } from './echoes.ts';
import { leavesOf } from './leaves.ts';
import { SLICE, slicesOf } from './slices.ts';
import type { SubjectMemory } from './subject-memory.ts';
import { ValueStream } from './value-stream.ts';
import type { FlowSource } from './view.ts';
import { WINDOW, type WindowKey } from './window-key.ts';

/** Something that is about to be shown. */
export interface Shown {
  source: FlowSource;
  value: JsonValue;
  /** What the request that it answers carried. */
  sent: JsonValue;
}

/** Every so many codes a window is remembered: every run of {@link WINDOW} + STRIDE - 1 codes holds one whole. */
const STRIDE = 9;
/** Of ids that are longer than a window, shorter windows are remembered too: a part of a secret is one. */
const ID_WINDOW = 16;
const ID_STRIDE = 5;

/** Remembers what is shown, in steps. Of more than `most` characters the rest is noted as missed. */
export function* learning(memory: SubjectMemory, key: WindowKey, shown: Shown, most: number): Generator<void, void> {
  const { texts, names, bodies } = leavesOf(shown.value);
  const learner = new Learner(memory, shown.source, new Echoes(key, shown.sent));
  let left = most;
  for (const text of [...texts, ...names, ...bodies.flatMap((body) => bodyText(body, memory))]) {
    left -= text.length;
    if (left < 0) {
      memory.miss();
      return;
    }
    for (const slice of slicesOf(text)) {
      learner.read(slice);
      yield;
    }
  }
  learner.flush();
}

/** What a body says; what is no text cannot be remembered beyond its base64, which is read as such. */
function bodyText(base64: string, memory: SubjectMemory): string[] {
  const bytes = Buffer.from(base64, 'base64');
  if (isUtf8(bytes)) return [bytes.toString('utf8')];
  memory.miss();
  return [];
}

/** Takes texts one after the other, as one stream of codes. */
class Learner {
  readonly #memory: SubjectMemory;
  readonly #source: FlowSource;
  readonly #echoes: Echoes;
  readonly #stream = new ValueStream();
  /** Where the next window of the stream begins. */
  #next = 0;

  constructor(memory: SubjectMemory, source: FlowSource, echoes: Echoes) {
    this.#memory = memory;
    this.#source = memory.source(source);
    this.#echoes = echoes;
  }

  read(text: string): void {
    this.#stream.add(text);
    if (this.#stream.length - this.#next > SLICE) this.flush();
  }

  /** Remembers what was read and is not remembered yet. */
  flush(): void {
    for (; this.#next + WINDOW <= this.#stream.length; this.#next += STRIDE) this.#learn(this.#next, WINDOW);
    const { values } = this.#stream;
    for (let index = 0; index < values.length; index += 3) {
      const [start = 0, length = 0, isId] = [values[index], values[index + 1], values[index + 2]];
      this.#learn(start, Math.min(length, WINDOW));
      if (isId !== 1 || length <= ID_WINDOW) continue;
      for (let at = start; at + ID_WINDOW <= start + length; at += ID_STRIDE) this.#learn(at, ID_WINDOW);
    }
    values.length = 0;
  }

  #learn(start: number, length: number): void {
    const { codes } = this.#stream;
    if (this.#echoes.has(this.#stream, start, length) && !this.#memory.knows(codes, start, length)) return;
    this.#memory.learn(codes, start, length, this.#source);
  }
}
