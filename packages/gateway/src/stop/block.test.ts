import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Block, blocksText, RULES, readBlocks, SCOPES, type StoredBlocks } from './block.ts';

const PLAIN = { noNullPrototype: true } as const;
const block: fc.Arbitrary<Block> = fc.record(
  {
    id: fc.uuid(),
    scope: fc.constantFrom(...SCOPES),
    name: fc.string(),
    reason: fc.string(),
    by: fc.string(),
    rule: fc.constantFrom(null, ...RULES),
    windowSeconds: fc.option(fc.nat()),
    sinceMicros: fc.nat(Number.MAX_SAFE_INTEGER),
  },
  PLAIN,
);
const stored: fc.Arbitrary<StoredBlocks> = fc.record(
  {
    blocks: fc.array(block, { maxLength: 4 }),
    lifted: fc.array(fc.uuid(), { maxLength: 3 }),
  },
  PLAIN,
);

test('what a store remembers as stopped is read as it was written', () => {
  fc.assert(
    fc.property(stored, (given) => {
      const read = readBlocks(blocksText(given));
      assert.deepEqual({ blocks: [...read.blocks], lifted: [...read.lifted] }, given);
    }),
    { numRuns: 100 },
  );
});

test('anything else is refused, whatever is wrong with it: it could hide a block', () => {
  const text = blocksText({
    blocks: [
      { id: 'i', scope: 'agent', name: 'a', reason: 'r', by: 'op', rule: null, windowSeconds: null, sinceMicros: 1 },
    ],
    lifted: ['x'],
  });
  const refuses = (wrong: string): void => assert.throws(() => readBlocks(wrong), { code: 'STORE_INVALID' }, wrong);
  for (const wrong of [
    '',
    '{}',
    '[]',
    text.replace('"agent"', '"agents"'),
    text.replace('"op"', 'null'),
    text.replace('"since_micros":1', '"since_micros":"1"'),
    text.replace('"rule":null', '"rule":"whim"'),
    text.replace('"x"', '7'),
    text.replace('"cmcp_blocks":1', '"cmcp_blocks":2'),
    text.replace('"id":"i",', ''),
    `${text} `,
  ])
    refuses(wrong);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom(...'"[]{}:,\0aé '), (at, other) => {
      const changed = text.slice(0, at) + other + text.slice(at + 1);
      try {
        assert.equal(blocksText(readBlocks(changed)), changed);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'STORE_INVALID');
      }
    }),
    { numRuns: 100 },
  );
});
