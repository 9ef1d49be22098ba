import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue } from '@cmcp/evidence';
import fc from 'fast-check';
import { flowMemory } from '../../../../../tests/support/flow.ts';
import { canonical, numberDigits } from './canonical.ts';
import type { FlowMemory } from './memory.ts';
import type { FlowSource } from './view.ts';

const PII = { class: 'pii', rank: 1 };
const CRM: FlowSource = { tool: 'get_customer', server: 'crm', domain: 'external', sensitivity: PII };
const traced = (memory: FlowMemory, value: JsonValue) => memory.trace('agent', { value, schema: null }, () => PII);
const toolsIn = async (memory: FlowMemory, value: JsonValue) => (await traced(memory, value)).tools;

const letters = (from: string, to: string): string =>
  String.fromCharCode(
    ...Array.from({ length: to.charCodeAt(0) - from.charCodeAt(0) + 1 }, (_, i) => from.charCodeAt(0) + i),
  );
const ALPHANUMERIC = `${letters('a', 'z')}${letters('A', 'Z')}${letters('0', '9')}`;
const textOf = (characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength });

/** Values that tell enough: numbers, ids, addresses, names of two words, and sentences. */
const value = fc.oneof(
  textOf(letters('1', '9'), 9, 22),
  fc.tuple(textOf(letters('A', 'Z'), 2, 4), textOf(letters('1', '9'), 6, 9)).map((parts) => parts.join('-')),
  fc.tuple(textOf(letters('a', 'z'), 6, 9), textOf(letters('a', 'z'), 6, 9)).map(([a, b]) => `${a}@${b}.example`),
  fc
    .tuple(textOf(letters('a', 'z'), 6, 9), textOf(letters('a', 'z'), 6, 9))
    .map((words) => words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(' ')),
  textOf(`${ALPHANUMERIC} ,.`, 60, 200).filter((text) => canonical(text).length >= 40),
);

type Writing = (text: string) => string;
const each = (text: string, written: (character: string) => string): string => [...text].map(written).join('');
const codeOf = (character: string): string => character.charCodeAt(0).toString(16);
const WRITINGS: Record<string, Writing> = {
  'upper case': (text) => text.toUpperCase(),
  'lower case': (text) => text.toLowerCase(),
  spaced: (text) => each(text, (character) => `${character} `),
  'zero width': (text) => each(text, (character) => `${character}\u200b`),
  'full width': (text) =>
    each(text, (character) => (character > ' ' ? String.fromCharCode(character.charCodeAt(0) + 0xfee0) : character)),
  percent: (text) => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&'),
  entities: (text) => each(text, (character) => `&#x${codeOf(character)};`),
  escapes: (text) => each(text, (character) => `\\u${codeOf(character).padStart(4, '0')}`),
  base64: (text) => Buffer.from(text).toString('base64'),
  base64url: (text) => Buffer.from(text).toString('base64url'),
  hex: (text) => Buffer.from(text).toString('hex'),
  rot13: (text) =>
    text.replaceAll(/[a-z]/gi, (letter) =>
      String.fromCharCode(letter.charCodeAt(0) + (letter.toLowerCase() <= 'm' ? 13 : -13)),
    ),
  reversed: (text) => [...text].reverse().join(''),
  'in JSON': (text) => JSON.stringify({ said: text }),
  'in a sentence': (text) => `As was said before: ${text}, and so on.`,
};
/** What may be written once more, and how often a text may grow. */
const INSIDE = [
  'base64',
  'base64url',
  'hex',
  'rot13',
  'reversed',
  'percent',
  'entities',
  'escapes',
  'in JSON',
  'upper case',
  'spaced',
];

/** An encoding that tells cases apart is not changed in case afterwards, nor taken apart. */
const composition = fc
  .tuple(fc.constantFrom(...Object.keys(WRITINGS)), fc.array(fc.constantFrom(...INSIDE), { maxLength: 2 }))
  .map(([first, others]) => [first, ...others])
  .filter((names) => names.every((name, index) => index === 0 || !['upper case', 'spaced'].includes(name)));

test('a value is found in whatever composition of encodings it is sent, and is not where it is not', async () => {
  // What grows out of all bounds is not looked at to its end, and that is said.
  let given = 0;
  await fc.assert(
    fc.asyncProperty(value, value, composition, async (secret, other, names) => {
      const memory = flowMemory();
      await memory.learn('agent', {
        source: CRM,
        value: { content: [{ type: 'text', text: 'x' }], found: secret },
        sent: {},
      });
      const sent = names.reduce((text, name) => (WRITINGS[name] as Writing)(text), secret);
      const { tools, complete } = await traced(memory, { sent });
      if (complete || tools.length > 0)
        assert.deepEqual(tools, ['get_customer'], JSON.stringify({ secret, names, sent }));
      else given += 1;
      if (!canonical(other).includes(canonical(secret))) assert.deepEqual(await toolsIn(memory, { sent: other }), []);
    }),
    { numRuns: 300 },
  );
  assert.ok(given < 10, `${given} were given up`);
});

test('a run of 32 letters and digits is found wherever it was copied from and to, also over several texts', async () => {
  const text = textOf(`${ALPHANUMERIC} .,`, 80, 400).filter((each) => canonical(each).length > 60);
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.nat(),
      textOf(ALPHANUMERIC, 0, 20),
      fc.integer({ min: 3, max: 12 }),
      async (given, at, before, size) => {
        const memory = flowMemory();
        await memory.learn('agent', { source: CRM, value: given, sent: {} });
        const canon = canonical(given);
        const start = at % (canon.length - 31);
        const copied = canon.slice(start, start + 32);
        assert.deepEqual(await toolsIn(memory, `${before}${copied}${before}`), ['get_customer']);
        assert.deepEqual(await toolsIn(memory, copied.match(new RegExp(`.{1,${size}}`, 'g'))), ['get_customer']);
      },
    ),
    { numRuns: 200 },
  );
});

test('a run of 20 of a key is found, wherever in it', async () => {
  const key = fc.tuple(textOf(ALPHANUMERIC, 30, 60), fc.nat()).filter(([text]) => (text.match(/\d/g) ?? []).length > 2);
  await fc.assert(
    fc.asyncProperty(key, async ([text, at]) => {
      const memory = flowMemory();
      await memory.learn('agent', { source: CRM, value: `the key: ${text}`, sent: {} });
      const start = at % (text.length - 19);
      assert.deepEqual(await toolsIn(memory, `x${text.slice(start, start + 20)}`), ['get_customer']);
    }),
    { numRuns: 200 },
  );
});

test('the canonical form of a canonical form is itself, and that of two texts is that of both', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }), (a, b) => {
      const once = canonical(a);
      assert.equal(canonical(once), once);
      assert.equal(canonical(`${a} ${b}`), once + canonical(b));
    }),
    { numRuns: 2000 },
  );
});

test('no answer and no request is of a shape that cannot be read', async () => {
  const long = ['7', '0', ' ', '%', '\\u00', '{"a":', 'ﷺ', '\ud800', '=', '5,555'].map((part) => part.repeat(2000));
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom(...long.map((part) => `0.${part}1`)),
  );
  const json = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      texts,
      fc.maxSafeInteger(),
      fc.constant(null),
      fc.array(tie('value')),
      fc.dictionary(texts, tie('value')),
    ),
  })).value;
  const memory = flowMemory();
  await memory.learn('agent', { source: CRM, value: `0.${'7'.repeat(300_000)} ${'12 '.repeat(100_000)}`, sent: {} });
  await fc.assert(
    fc.asyncProperty(json, json, async (value, sent) => {
      await memory.learn('agent', { source: CRM, value, sent });
      assert.ok((await traced(memory, sent)).servers.length <= 1);
    }),
    { numRuns: 60 },
  );
});

test('numbers are taken by their value', () => {
  for (const [lexeme, digits] of [
    ['1.0', '1'],
    ['1', '1'],
    ['-12.50', '125'],
    ['0.0012', '12'],
    ['4.111111111111111e15', '4111111111111111'],
    ['4111111111111111', '4111111111111111'],
    ['1200e-2', '12'],
    ['1e400', '1000000000000000000000000'],
    ['0', ''],
  ] as const) {
    assert.equal(numberDigits(lexeme), digits, lexeme);
  }
});
