import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AnchorPosition } from '../audit/anchor.ts';
import { GatewayError } from '../errors.ts';
import { assertNewest, CounterAnchor } from './counter-anchor.ts';
import type { CounterState, RollbackCounter } from './tpm/rollback-counter.ts';

const INDEX = 0x0180_1234;

/** When the power fails: at the how-manieth step from now, and whether that step was still done. */
interface PowerCut {
  steps: number;
  done: boolean;
}

class PowerFailure extends Error {}

/** A counter and what a store durably records, in memory. Each step of theirs may be the last before the power fails. */
class Machine {
  counter: CounterState = { kind: 'undefined' };
  recorded: AnchorPosition | null = null;
  /** Above whatever a counter of this TPM ever had. */
  highest = 40n;
  cut: PowerCut | null = null;
  increments = 0;

  readonly tpm: RollbackCounter = {
    index: INDEX,
    state: async () => this.counter,
    define: () => this.#step(() => (this.counter = { kind: 'unwritten' })),
    increment: () => this.#step(() => this.incremented()),
  };

  incremented(): void {
    this.increments += 1;
    const { counter } = this;
    assert.ok(counter.kind === 'unwritten' || counter.kind === 'value');
    this.highest = counter.kind === 'value' ? counter.value + 1n : this.highest + 1n;
    this.counter = { kind: 'value', value: this.highest };
  }

  start(): CounterAnchor {
    assertNewest(this.recorded, this.counter, INDEX);
    const record = (position: AnchorPosition) => this.#step(() => (this.recorded = position));
    return new CounterAnchor(this.tpm, this.recorded, record);
  }

  async #step(effect: () => void): Promise<void> {
    if (this.cut === null) return effect();
    this.cut.steps -= 1;
    if (this.cut.steps >= 0) return effect();
    if (this.cut.done) effect();
    this.cut = null;
    throw new PowerFailure('no power');
  }
}

/** Whether it went through; false when the power failed. */
async function powered(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    assert.ok(error instanceof PowerFailure, String(error));
    return false;
  }
}

const says = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === code && words.test(error.detail);

test('a new store brings a counter into use, and records the value before the counter has it', async () => {
  const machine = new Machine();
  await machine.start().advance();
  assert.deepEqual(machine.recorded, { index: INDEX, value: '42' });
  assert.deepEqual(machine.counter, { kind: 'value', value: 42n });
  await machine.start().advance();
  assert.deepEqual([machine.recorded?.value, machine.increments], ['43', 3]);
});

test('a cut of the power at any step is never taken for a restored store', async () => {
  for (const begun of [false, true]) {
    for (let steps = 0; steps < 8; steps += 1) {
      for (const done of [false, true]) {
        const machine = new Machine();
        if (begun) await machine.start().advance();
        machine.cut = { steps, done };
        await powered(() => machine.start().advance());
        machine.cut = null;
        const before = { ...machine, recorded: machine.recorded };
        await machine.start().advance();
        assert.equal(machine.counter.kind, 'value');
        assert.equal(machine.recorded?.value, String(machine.highest), JSON.stringify({ begun, steps, done }));
        assert.ok(machine.highest > before.highest, 'what was copied before is old now');
      }
    }
  }
});

test('a copy from a cut between record and counter is as old as any other once the store went on', async () => {
  const machine = new Machine();
  await machine.start().advance();
  machine.cut = { steps: 1, done: false };
  assert.equal(await powered(() => machine.start().advance()), false);
  const copy = machine.recorded;
  assert.equal(copy?.value, String(machine.highest + 1n));
  await machine.start().advance();
  assert.throws(() => assertNewest(copy, machine.counter, INDEX), says('STORE_ROLLED_BACK', /43, .* at 44/));
});

test('a counter that failed and answers again is brought to what is recorded, by the same process too', async () => {
  for (let steps = 0; steps < 6; steps += 1) {
    for (const done of [false, true]) {
      const machine = new Machine();
      const anchor = machine.start();
      machine.cut = { steps, done };
      await powered(() => anchor.advance());
      machine.cut = null;
      await anchor.advance();
      assert.equal(machine.recorded?.value, String(machine.highest));
    }
  }
});

test('an older copy of the store is refused with both values and what to do [D-34]', async () => {
  const machine = new Machine();
  await machine.start().advance();
  const copy = machine.recorded;
  await machine.start().advance();
  machine.recorded = copy;
  assert.throws(
    () => machine.start(),
    says('STORE_ROLLED_BACK', /at 42, .*0x01801234\) stands at 43.*newest copy.*rollback_counter: false/),
  );
});

test('a store that was emptied meets the counter of the one that was there', async () => {
  const machine = new Machine();
  await machine.start().advance();
  machine.recorded = null;
  assert.throws(() => machine.start(), says('STORE_ROLLED_BACK', /at 42\), and the store knows of none.*nvundefine/));
});

test('a counter that is gone, was made again, or is of another TPM says nothing about the store', async () => {
  const machine = new Machine();
  await machine.start().advance();
  const states: [CounterState, string, RegExp][] = [
    [{ kind: 'undefined' }, 'STORE_INVALID', /no counter in use/],
    [{ kind: 'unwritten' }, 'STORE_INVALID', /no counter in use/],
    [{ kind: 'foreign' }, 'STORE_INVALID', /something else/],
    [{ kind: 'value', value: 40n }, 'STORE_INVALID', /which it has passed/],
    // A counter that was deleted begins above what it had.
    [{ kind: 'value', value: 43n }, 'STORE_ROLLED_BACK', /someone else advanced/],
  ];
  for (const [state, code, words] of states) {
    machine.counter = state;
    assert.throws(() => machine.start(), says(code, words), JSON.stringify(state.kind));
  }
  assert.throws(() => assertNewest(null, { kind: 'foreign' }, INDEX), says('STORE_INVALID', /something else/));
});

test('a counter that someone else moves while the gateway runs is noticed at the next advance', async () => {
  for (const between of [false, true]) {
    const machine = new Machine();
    const anchor = machine.start();
    await anchor.advance();
    if (between) {
      const { increment } = machine.tpm;
      machine.tpm.increment = async () => {
        await increment();
        machine.incremented();
      };
    } else machine.incremented();
    const { recorded } = machine;
    await assert.rejects(anchor.advance(), says('STORE_ROLLED_BACK', /someone else/));
    if (!between) assert.equal(machine.recorded, recorded, 'and the store does not follow it');
  }
});

test('so is one that is deleted while the gateway runs', async () => {
  const machine = new Machine();
  const anchor = machine.start();
  await anchor.advance();
  machine.counter = { kind: 'undefined' };
  await assert.rejects(anchor.advance(), says('STORE_INVALID', /no counter in use/));
});

test('a TPM that says it counted and did not is not believed', async () => {
  const machine = new Machine();
  const anchor = machine.start();
  await anchor.advance();
  machine.tpm.increment = async () => {};
  await assert.rejects(anchor.advance(), says('STORE_INVALID', /which it has passed/));
});

interface Copy {
  recorded: AnchorPosition | null;
  /** Advances that had begun when it was made. */
  begun: number;
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      cut: fc.option(fc.record({ steps: fc.nat(6), done: fc.boolean() })),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'copy' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      cut: fc.option(fc.record({ steps: fc.nat(6), done: fc.boolean() })),
    }),
  },
);

test('in any history the newest store is accepted, and a copy that an advance has passed is not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (history) => {
      const machine = new Machine();
      const copies: Copy[] = [];
      let begun = 0;
      let completed = 0;
      let anchor = machine.start();
      for (const event of history) {
        if (event.kind === 'copy') {
          copies.push({ recorded: machine.recorded, begun });
          continue;
        }
        // Throws when the newest store is refused.
        if (event.kind === 'restart') anchor = machine.start();
        machine.cut = event.cut && { ...event.cut };
        begun += 1;
        const went = await powered(() => anchor.advance());
        machine.cut = null;
        if (went) completed = begun;
        // Without power there is no process that goes on.
        else anchor = machine.start();
      }
      for (const copy of copies) {
        if (copy.begun >= completed) continue;
        const passed = () => assertNewest(copy.recorded, machine.counter, INDEX);
        // A copy from the very first start, before the counter was in use, has no value that could be compared.
        if (copy.recorded?.value === null) continue;
        assert.throws(passed, says('STORE_ROLLED_BACK', /copy/));
      }
    }),
    { numRuns: 500 },
  );
});
