import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { type Sensitivity, UNEXPOSED } from '../exposure.ts';
import { declaredNames } from './declared-names.ts';
import { learning, type Shown } from './learning.ts';
import { leavesOf } from './leaves.ts';
import { SubjectMemory } from './subject-memory.ts';
import { tracing } from './tracing.ts';
import type { FlowView } from './types.ts';
import { type FlowSource, viewOf } from './view.ts';
import { WindowKey } from './window-key.ts';

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
    await this.#inTurns(learning(memory, this.#key, shown, this.#limits.characters));
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

  #tracing(memory: SubjectMemory, { value, schema }: Carried, found: Set<FlowSource>): Generator<void, boolean> {
    return tracing(memory, leavesOf(value, this.#declaredBy(schema)), this.#limits.characters, found);
  }

  #declaredBy(schema: JsonObject | null): ReadonlySet<string> | null {
    if (schema === null) return null;
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
