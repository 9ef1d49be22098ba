import type { AnchorPosition } from '../audit/anchor.ts';
import { GatewayError } from '../errors.ts';
import type { CounterState, RollbackCounter } from './tpm/rollback-counter.ts';

/*
 * A store and a counter in a TPM, of which neither can be written in one step with the other:
 *
 * 1. the store durably records the value that the counter will have,
 * 2. the counter is incremented.
 *
 * A crash between the two leaves the counter one behind the record, and nothing else leaves it there. Before the next value is
 * recorded, the counter is brought to the one that is: so no value is recorded a second time, and each copy of the store from before
 * an advance is one that the counter has passed. Before there is a value, the store records which counter it will have: what is at
 * that index is then never taken for the counter of another store.
 */

/** How an operator goes on without the newest copy of a store. */
const START_WITHOUT =
  'start once with `attestation.tpm.rollback_counter: false`, which the sessions of that run will say';

/**
 * Whether a store with this record may be used with this counter.
 *
 * @param index handle of the counter
 * @throws GatewayError STORE_ROLLED_BACK when the store is older than the counter says, STORE_INVALID when the counter says nothing
 * about it
 */
export function assertNewest(recorded: AnchorPosition | null, state: CounterState, index: number): void {
  if (state.kind === 'foreign') throw foreign(index);
  if (recorded === null) {
    if (state.kind === 'value') throw unknownToStore(index, state.value);
  } else if (recorded.value !== null) {
    assertReached(BigInt(recorded.value), state, index);
  }
}

function assertReached(recorded: bigint, state: CounterState, index: number): void {
  if (state.kind !== 'value') throw gone(recorded, index);
  if (state.value > recorded) throw passed(recorded, state.value, index);
  if (state.value < recorded - 1n) throw behind(recorded, state.value, index);
}

/** The protocol between a store that is open and its counter. One advance at a time. */
export class CounterAnchor {
  readonly #counter: RollbackCounter;
  readonly #record: (position: AnchorPosition) => Promise<void>;
  #recorded: AnchorPosition | null;

  /**
   * @param recorded what the store records now
   * @param record puts another position in its place, and resolves once that is durable
   */
  constructor(
    counter: RollbackCounter,
    recorded: AnchorPosition | null,
    record: (position: AnchorPosition) => Promise<void>,
  ) {
    this.#counter = counter;
    this.#recorded = recorded;
    this.#record = record;
  }

  /**
   * From when it resolves, no copy of the store that was made before it was called passes for the newest. May be called again after
   * a failure.
   *
   * @throws GatewayError STORE_ROLLED_BACK, STORE_INVALID when the counter is not where this store left it; what store and counter
   * reject with
   */
  async advance(): Promise<void> {
    const reached = await this.#settle();
    const next = reached + 1n;
    await this.#note({ index: this.#counter.index, value: String(next) });
    await this.#step(next);
  }

  /** Brings the counter to what is recorded, after a crash or a failure between the two steps. */
  async #settle(): Promise<bigint> {
    const state = await this.#counter.state();
    assertNewest(this.#recorded, state, this.#counter.index);
    if (this.#recorded === null || this.#recorded.value === null) return this.#begin(state);
    const recorded = BigInt(this.#recorded.value);
    if (state.kind === 'value' && state.value < recorded) await this.#step(recorded);
    return recorded;
  }

  /** Brings the counter into use. A new one has no value before it was incremented (TPM 2.0 Part 3, section 31.8). */
  async #begin(state: CounterState): Promise<bigint> {
    if (this.#recorded === null) await this.#note({ index: this.#counter.index, value: null });
    if (state.kind === 'value') return state.value;
    if (state.kind === 'undefined') await this.#counter.define();
    await this.#counter.increment();
    const begun = await this.#counter.state();
    if (begun.kind !== 'value') throw foreign(this.#counter.index);
    return begun.value;
  }

  async #step(expected: bigint): Promise<void> {
    await this.#counter.increment();
    const state = await this.#counter.state();
    assertReached(expected, state, this.#counter.index);
    // One behind: what said that it was done was not.
    if (state.kind === 'value' && state.value < expected) throw behind(expected, state.value, this.#counter.index);
  }

  async #note(position: AnchorPosition): Promise<void> {
    await this.#record(position);
    this.#recorded = position;
  }
}

const hex = (index: number): string => `0x${index.toString(16).padStart(8, '0')}`;

function passed(recorded: bigint, value: bigint, index: number): GatewayError {
  return new GatewayError(
    'STORE_ROLLED_BACK',
    `the store says that its counter stands at ${recorded}, and the counter in the TPM (NV index ${hex(index)}) stands at ${value}: this is an older copy of the store, or another copy of it was in use since, or someone else advanced the counter. Put back the newest copy. If there is none, ${START_WITHOUT}`,
  );
}

function unknownToStore(index: number, value: bigint): GatewayError {
  return new GatewayError(
    'STORE_ROLLED_BACK',
    `the TPM has a counter for the store in this folder (NV index ${hex(index)}, at ${value}), and the store knows of none: it was emptied, or is a copy from before it was counted. Put back the newest copy. If it is to be a new store, delete the counter of the old one first: tpm2_nvundefine -C o ${hex(index)}`,
  );
}

function gone(recorded: bigint, index: number): GatewayError {
  return new GatewayError(
    'STORE_INVALID',
    `the store says that its counter stands at ${recorded}, and the TPM has no counter in use at NV index ${hex(index)}: this is another TPM, or it was cleared, or the counter was deleted, and nothing tells whether this is the newest copy of the store. If you know that it is, ${START_WITHOUT}`,
  );
}

function behind(recorded: bigint, value: bigint, index: number): GatewayError {
  return new GatewayError(
    'STORE_INVALID',
    `the store says that its counter stands at ${recorded}, and the counter in the TPM (NV index ${hex(index)}) stands at ${value}, which it has passed: this is another TPM, or one whose state was restored, and nothing tells whether this is the newest copy of the store. If you know that it is, ${START_WITHOUT}`,
  );
}

function foreign(index: number): GatewayError {
  return new GatewayError(
    'STORE_INVALID',
    `NV index ${hex(index)} of the TPM, where the counter of this store belongs, holds something else: free that index, or move the store to another folder`,
  );
}
