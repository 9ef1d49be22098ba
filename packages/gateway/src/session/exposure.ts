import type { Exposure } from '../audit/types.ts';
import type { FlowMemory } from './flow/memory.ts';

/** A sensitivity label with its rank; only the rank orders, the label is what is shown. */
export interface Sensitivity {
  class: string;
  rank: number;
}

/** What all agents start from. */
export const UNEXPOSED: Sensitivity = { class: 'public', rank: 0 };

/** The higher of two; a tie keeps the first label (wire-formats section 5: the ratchet only rises). */
export function higher(first: Sensitivity, second: Sensitivity): Sensitivity {
  return second.rank > first.rank ? second : first;
}

interface SubjectState {
  seen: Sensitivity;
  generation: number;
  lastCallMicros: number;
  /** Classes that calls in flight may still reveal, by call id (contracts section 7: reserved at decision time). */
  reserved: Map<string, Sensitivity>;
}

/**
 * What each subject has seen (contracts section 1). It belongs to the subject, so a new session does not lower it. All
 * methods are synchronous: a decision and its reservation happen in one turn, which is what serialises them.
 */
export class Exposures {
  readonly #subjects = new Map<string, SubjectState>();
  readonly #carryOverMicros: number;
  /** Where the values came from that were seen. */
  readonly flow: FlowMemory;

  /** `carryOverMs`: how long after its last call a subject's exposure is kept. */
  constructor(recovered: readonly Exposure[], carryOverMs: number, flow: FlowMemory) {
    this.flow = flow;
    this.#carryOverMicros = carryOverMs * 1000;
    for (const row of recovered) {
      this.#subjects.set(row.subject, {
        seen: { class: row.class, rank: row.rank },
        generation: row.generation,
        lastCallMicros: row.lastCallMicros,
        reserved: new Map(),
      });
      // What was seen before this process began is not remembered by it.
      flow.missed(row.subject);
    }
  }

  /** The exposure a session opened now inherits; one older than the carry-over has lapsed. */
  inherit(subject: string, nowMicros: number): Sensitivity {
    const state = this.#state(subject);
    const idle = state.reserved.size === 0 && nowMicros - state.lastCallMicros > this.#carryOverMicros;
    if (idle) {
      state.seen = UNEXPOSED;
      this.flow.clear(subject);
    }
    return state.seen;
  }

  /** What was seen, and what calls in flight other than `callId` may still reveal. */
  current(
    subject: string,
    callId: string,
  ): { seen: Sensitivity; inFlight: number; generation: number; reserved: Sensitivity } {
    const { seen, generation, reserved } = this.#state(subject);
    const others = [...reserved].filter(([id]) => id !== callId).map(([, held]) => held);
    return { seen, inFlight: others.length, generation, reserved: others.reduce(higher, seen) };
  }

  /** A call by this subject began: the carry-over counts from here, also when the call is refused. */
  touch(subject: string, nowMicros: number): void {
    this.#state(subject).lastCallMicros = nowMicros;
  }

  /** Holds what a permitted call may reveal, so that a parallel call is decided as if it had. */
  reserve(subject: string, callId: string, sensitivity: Sensitivity): void {
    this.#state(subject).reserved.set(callId, sensitivity);
  }

  /** The call ended without its answer being shown. */
  drop(subject: string, callId: string): void {
    this.#state(subject).reserved.delete(callId);
  }

  /** Something of a call's answer is about to be shown while the call goes on. */
  show(subject: string, sensitivity: Sensitivity): void {
    const state = this.#state(subject);
    state.seen = higher(state.seen, sensitivity);
  }

  /** The call's answer is about to be shown. Returns what to store. */
  raise(subject: string, callId: string, sensitivity: Sensitivity): Exposure {
    this.show(subject, sensitivity);
    this.drop(subject, callId);
    return this.row(subject);
  }

  /** An operator's reset: back to public, one generation on, so that an answer still in flight is not shown. */
  reset(subject: string): Exposure {
    const state = this.#state(subject);
    state.seen = UNEXPOSED;
    state.generation += 1;
    this.flow.clear(subject);
    return this.row(subject);
  }

  /** The stored form. */
  row(subject: string): Exposure {
    const { seen, generation, lastCallMicros } = this.#state(subject);
    return { subject, class: seen.class, rank: seen.rank, generation, lastCallMicros };
  }

  #state(subject: string): SubjectState {
    const known = this.#subjects.get(subject);
    if (known !== undefined) return known;
    const fresh: SubjectState = { seen: UNEXPOSED, generation: 0, lastCallMicros: 0, reserved: new Map() };
    this.#subjects.set(subject, fresh);
    return fresh;
  }
}
