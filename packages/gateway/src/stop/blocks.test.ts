import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Actor } from '../audit/gateway-chain.ts';
import type { StandingText } from '../audit/types.ts';
import { blocksText, readBlocks } from './block.ts';
import { Blocks, type Draft, type Elsewhere, MAX_BLOCKS } from './blocks.ts';

const OP: Actor = { subject: 'op', source: 'bearer' };
const of = (name: string): Draft => ({ scope: 'agent', name, reason: 'x', rule: null, windowSeconds: null });
const asking = (agent: string) => ({ agent, session: null, tool: null, server: null });

/** Blocks over a chain that keeps what is entered, until a test lets it be durable. */
async function opened(text: string | null = null, elsewhere: Elsewhere = { root: null, others: [] }) {
  const entered: { action: string; standing: StandingText | undefined; durable: () => void }[] = [];
  let ids = 0;
  const chain = {
    enter: (action: string, _by: Actor | null, _detail: object, standing?: StandingText): Promise<void> =>
      new Promise((durable) => entered.push({ action, standing, durable })),
  };
  const clock = { nowMicros: () => ids };
  const log = { standing: () => Promise.resolve(text) };
  const deps = { chain, clock, newId: () => `id-${++ids}`, unrecorded: () => {} };
  const blocks = await Blocks.open(log, elsewhere, deps);
  const stored = (): string => entered.at(-1)?.standing?.text ?? '';
  const names = (): string[] => readBlocks(stored()).blocks.map(({ name }) => name);
  return { blocks, entered, stored, names };
}

test('what is being lifted is in force until that is durable, and not stored by a block that comes meanwhile', async () => {
  const { blocks, entered, names, stored } = await opened();
  const { block } = blocks.set(of('a'), OP);
  const lifted = blocks.lift(block.id, OP, 'x');
  blocks.trip({ ...of('b'), rule: 'deny_rate' });
  assert.deepEqual(names(), ['b']);
  assert.equal(blocks.stopping(asking('a'))?.id, block.id);
  await assert.rejects(blocks.lift(block.id, OP, 'x'), { code: 'INVALID_PARAMS' }, 'once');
  for (const { durable } of entered) durable();
  await lifted;
  assert.equal(blocks.stopping(asking('a')), null);
  assert.deepEqual(
    entered.map(({ action }) => action),
    ['operator.block', 'operator.unblock', 'stop.block'],
  );
  const again = await opened(stored());
  assert.deepEqual(
    again.blocks.list.map(({ name, by, rule }) => [name, by, rule]),
    [['b', 'automatic', 'deny_rate']],
  );
});

test('two blocks of one agent are two: both have to be lifted; a threshold does not stop what is stopped', async () => {
  const { blocks, entered } = await opened();
  const [first, second] = [blocks.set(of('a'), OP).block, blocks.set(of('a'), OP).block];
  blocks.trip({ ...of('a'), rule: 'budget' });
  assert.equal(entered.length, 2);
  for (const { id } of [second, first]) {
    assert.notEqual(blocks.stopping(asking('a')), null);
    const lifting = blocks.lift(id, OP, 'x');
    entered.at(-1)?.durable();
    await lifting;
  }
  assert.equal(blocks.stopping(asking('a')), null);
});

test('blocks are bounded in number: beyond, operators are refused, and a threshold stops everything', async () => {
  const held = Array.from({ length: MAX_BLOCKS }, (_, at) => ({
    ...of(`agent ${at}`),
    ...{ id: `held-${at}`, by: 'op', sinceMicros: 0 },
  }));
  const { blocks } = await opened(blocksText({ blocks: held, lifted: [] }));
  assert.throws(() => blocks.set(of('one more'), OP), { code: 'INVALID_PARAMS' });
  assert.equal(blocks.stopping(asking('one more')), null);
  blocks.trip({ ...of('one more'), rule: 'deny_rate' });
  assert.deepEqual([blocks.stopping(asking('anybody'))?.scope, blocks.list.length], ['all', MAX_BLOCKS + 1]);
  blocks.trip({ ...of('another'), rule: 'deny_rate' });
  assert.equal(blocks.list.length, MAX_BLOCKS + 1);
});

test('another store tells of its blocks once, and only the store that operators reach lifts those of others', async () => {
  const there = await opened();
  const { block } = there.blocks.set(of('a'), OP);
  const { blocks, entered, stored } = await opened(null, { root: null, others: [there.stored()] });
  const told: string[] = [];
  blocks.onBlocked(({ id }) => told.push(id));
  blocks.learn({ root: null, others: [there.stored()] });
  assert.deepEqual([told, blocks.stopping(asking('a'))?.id], [[], block.id]);
  const lifting = blocks.lift(block.id, OP, 'x');
  entered.at(-1)?.durable();
  await lifting;
  assert.equal(blocks.stopping(asking('a')), null);
  blocks.learn({ root: null, others: [there.stored()] });
  assert.equal(blocks.stopping(asking('a')), null, 'it still stands in the other store');
  assert.deepEqual(readBlocks(stored()).lifted, [block.id]);
  there.blocks.learn({ root: null, others: [stored()] });
  assert.equal(there.blocks.stopping(asking('a'))?.id, block.id, 'a store beside it lifts nothing');
  there.blocks.learn({ root: stored(), others: [] });
  assert.equal(there.blocks.stopping(asking('a')), null);
  there.blocks.set(of('b'), OP);
  blocks.learn({ root: null, others: [there.stored()] });
  assert.deepEqual(told.length, 1);
  blocks.set(of('c'), OP);
  assert.deepEqual(readBlocks(stored()).lifted, [], 'what the other forgot is not remembered');
  assert.throws(() => blocks.learn({ root: null, others: ['{}'] }), { code: 'STORE_INVALID' });
  assert.notEqual(blocks.stopping(asking('b')), null, 'and nothing changed');
});
