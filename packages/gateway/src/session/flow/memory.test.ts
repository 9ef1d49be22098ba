import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { JsonValue } from '@cmcp/evidence';
import { flowMemory } from '../../../../../tests/support/flow.ts';
import type { FlowLimits, FlowMemory } from './memory.ts';
import type { FlowSource } from './view.ts';

const PII = { class: 'pii', rank: 1 };
const CRM: FlowSource = { tool: 'get_customer', server: 'crm', domain: 'pii', sensitivity: PII };

const memoryOf = (limits: Partial<FlowLimits> = {}): FlowMemory => flowMemory({ limits });

const seen = (memory: FlowMemory, value: JsonValue, source = CRM, sent: JsonValue = {}) =>
  memory.learn('agent', { source, value, sent });
const trace = (memory: FlowMemory, value: JsonValue, subject = 'agent') =>
  memory.trace(subject, { value, schema: null }, () => PII);

test('a value that was given is found again, and an unrelated one is not', async () => {
  const memory = memoryOf();
  await seen(memory, {
    name: 'Maria Okafor',
    card: '4111 1111 1111 1111',
    note: 'Prefers to be called in the evening, after six.',
  });
  for (const value of [
    'Maria Okafor',
    'MARIA OKAFOR',
    'To: maria  okafor, today',
    4111111111111111,
    '4111-1111-1111-1111',
    'She prefers to be called in the evening, after six.',
    Buffer.from('Maria Okafor').toString('base64'),
  ]) {
    assert.deepEqual((await trace(memory, { value })).tools, ['get_customer'], String(value));
  }
  assert.deepEqual(await trace(memory, { value: 'The weather in Lagos is fine.' }), {
    tools: [],
    servers: [],
    domains: [],
    classes: [],
    max: { class: 'public', rank: 0 },
    complete: true,
  });
});

test('names that an approved schema gives are nobody\u2019s values, others are', async () => {
  const memory = memoryOf();
  await seen(memory, 'see order-20931-88 for that');
  const schema = { type: 'object', properties: { lines: { items: { properties: { 'order-20931-88': {} } } } } };
  const value = { lines: [{ 'order-20931-88': 1 }] };
  assert.deepEqual((await memory.trace('agent', { value, schema }, () => PII)).tools, []);
  assert.deepEqual((await trace(memory, value)).tools, ['get_customer']);
  await seen(memory, { 'Maria Okafor': 1, customer_account_number: 2 });
  assert.deepEqual((await trace(memory, 'Maria Okafor')).tools, ['get_customer']);
  assert.deepEqual((await trace(memory, 'customer_account_number')).tools, []);
});

test('a value is found when its letters look like others, when it was encoded and then taken apart, and deep in a long text', async () => {
  const memory = memoryOf();
  const note = 'Prefers to be called in the evening, after six, on the second number.';
  await seen(memory, { name: 'Maria Okafor', note });
  const encoded = Buffer.from(note).toString('base64');
  const filler = 'lorem ipsum dolor sit amet '.repeat(2500);
  for (const value of [
    'М\u0430ri\u0430 Ok\u0430f\u043er',
    { first: encoded.slice(0, 31), second: encoded.slice(31) },
    `${filler}${encoded} and so on`,
    `${filler}${filler}${note}`,
  ]) {
    assert.deepEqual((await trace(memory, value)).tools, ['get_customer'], JSON.stringify(value).slice(-200));
  }
  for (let before = 32_700; before < 32_800; before += 6) {
    const value = `${'ab '.repeat(before / 3)}90 4417 2203 66 18`;
    await seen(memory, '90441722036618');
    assert.deepEqual((await trace(memory, value)).tools, ['get_customer'], `${before}`);
  }
});

test('short ids are found turned round and rotated too, and an encoded value in pieces that say nothing each', async () => {
  const memory = memoryOf();
  await seen(memory, { code: '839201', id: 'KX83920', name: 'Maria Okafor' });
  const pieces =
    Buffer.from('Maria Okafor')
      .toString('base64')
      .match(/.{1,5}/g) ?? [];
  for (const value of ['102938', 'XK83920', '02938XK', '02938KX', pieces]) {
    assert.deepEqual((await trace(memory, value)).tools, ['get_customer'], String(value));
  }
  for (const value of ['839202', '8392011', 'KX83921']) assert.deepEqual((await trace(memory, value)).tools, [], value);
});

test('what is encoded so often that it is not read to its end leaves the flow incomplete', async () => {
  const memory = memoryOf();
  await seen(memory, 'Maria Okafor');
  const escaped = (text: string): string =>
    [...text].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  assert.equal((await trace(memory, escaped(escaped('x'.repeat(100))))).complete, true);
  assert.equal((await trace(memory, escaped(escaped(escaped('x'.repeat(400)))))).complete, false);
});

const NOTHING_KNOWN = { tools: [], servers: [], domains: [], classes: [], max: PII, complete: false };

test('values that anyone may send by chance are not taken for a flow', async () => {
  const memory = memoryOf();
  const common = [
    'true',
    'US',
    'ok',
    'completed',
    'in progress',
    '2026-03-05',
    'application/json',
    'en-GB',
    'customer',
    'v1.2.3',
  ];
  await seen(memory, { flags: common, count: 12345, limit: 1_000_000, rate: 0.5, year: 2026, yes: true, none: null });
  for (const value of [...common, 12345, 1_000_000, 2026, 0.5]) {
    assert.deepEqual((await trace(memory, { value })).tools, [], String(value));
  }
});

test('what the request sent is not given by the answer that repeats it, unless it was known before', async () => {
  const memory = memoryOf();
  await seen(memory, { id: 'CUST-204917', phone: '0803 555 0199' }, CRM, { id: 'CUST-204917' });
  assert.deepEqual((await trace(memory, 'CUST-204917')).tools, []);
  assert.deepEqual((await trace(memory, '08035550199')).tools, ['get_customer']);
  const TICKETS: FlowSource = { ...CRM, tool: 'open_ticket', server: 'desk' };
  await seen(memory, { opened: '0803 555 0199' }, TICKETS, { phone: '0803 555 0199' });
  assert.deepEqual((await trace(memory, '08035550199')).tools, ['get_customer', 'open_ticket']);
});

test('to repeat a value that was given before does not make it unknown, nor does a request that lists guesses', async () => {
  const memory = memoryOf();
  await seen(memory, { pin: 'code 839201 is yours' });
  await seen(memory, { pin: '839201' }, CRM, { guess: '839201' });
  assert.deepEqual((await trace(memory, '839201')).tools, ['get_customer']);
  const guesses = Array.from({ length: 2000 }, (_, index) => String(700_001 + index)).join(' ');
  await seen(memory, { pin: '701234' }, CRM, { guesses });
  assert.deepEqual((await trace(memory, '701234')).tools, ['get_customer']);
});

test('the memory is bounded: the oldest is forgotten first, and what is forgotten is said', async () => {
  const memory = memoryOf({ perGeneration: 200 });
  const page = (number: number) =>
    Array.from({ length: 12 }, (_, index) => `${number}${index} ${randomBytes(12).toString('hex')}`);
  const first = page(1);
  await seen(memory, first);
  assert.deepEqual((await trace(memory, first[0] ?? '')).complete, true);
  const pages = Array.from({ length: 40 }, (_, index) => page(index + 2));
  for (const each of pages) await seen(memory, each);
  assert.deepEqual(await trace(memory, first[0] ?? ''), NOTHING_KNOWN);
  assert.deepEqual((await trace(memory, pages.at(-1)?.[0] ?? '')).tools, ['get_customer']);
});

test('all subjects together have a bound: who was shown something least lately is forgotten first', async () => {
  const memory = memoryOf({ bytes: 200_000 });
  const secret = (subject: number) => `of ${subject}: ${subject}8203917402`;
  for (let subject = 0; subject < 40; subject += 1) {
    await memory.learn(`agent-${subject}`, { source: CRM, value: secret(subject), sent: {} });
  }
  assert.deepEqual(await trace(memory, secret(0), 'agent-0'), NOTHING_KNOWN);
  assert.deepEqual((await trace(memory, secret(39), 'agent-39')).tools, ['get_customer']);
  assert.deepEqual((await trace(memory, secret(39), 'nobody')).complete, true);
});

test('an answer that is longer than what is looked at, and a request that is, leave the flow incomplete', async () => {
  const memory = memoryOf({ characters: 1000 });
  await seen(memory, 'Maria Okafor');
  const long = `${'x'.repeat(2000)} Maria Okafor`;
  assert.deepEqual((await trace(memory, long)).complete, false);
  assert.deepEqual((await trace(memory, 'x')).complete, true);
  await seen(memory, long);
  assert.deepEqual(await trace(memory, 'x'), NOTHING_KNOWN);
});

test('an answer that is remembered while its subject is reset counts as not remembered', async () => {
  let clock = 0;
  let reset = (): void => {};
  const memory = flowMemory({
    monotonic: () => (clock += 10),
    soon: (task) => {
      reset();
      setImmediate(task);
    },
  });
  reset = () => memory.clear('agent');
  await seen(memory, 'Maria Okafor');
  assert.deepEqual(await trace(memory, 'Maria Okafor'), NOTHING_KNOWN);
});

test('long texts are read in slices, and the event loop turns between them', async () => {
  let [clock, turns] = [0, 0];
  const memory = flowMemory({
    monotonic: () => (clock += 1),
    soon: (task) => {
      turns += 1;
      setImmediate(task);
    },
  });
  const words = Array.from({ length: 60_000 }, () => randomBytes(4).toString('hex'));
  await seen(memory, words.join(' '));
  assert.ok(turns > 5, `${turns} turns to remember`);
  turns = 0;
  for (const at of [0, 1821, 30_000, 59_995]) {
    assert.deepEqual((await trace(memory, words.slice(at, at + 5).join('-'))).tools, ['get_customer'], `at ${at}`);
  }
  assert.deepEqual((await trace(memory, `${'y '.repeat(200_000)}${words[1820]} ${words[1821]}`)).tools, [
    'get_customer',
  ]);
  assert.ok(turns > 5, `${turns} turns to trace`);
});

test('neither the key nor a value is in what can be printed or written of a memory', async () => {
  const memory = memoryOf();
  await seen(memory, { name: 'Maria Okafor' });
  const { inspect } = await import('node:util');
  const shown = `${JSON.stringify(memory)}${inspect(memory, { depth: 20, showHidden: true })}`;
  assert.equal(/okafor|Float64Array|Uint32Array/i.test(shown), false, shown);
});
