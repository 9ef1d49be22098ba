import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { folderOf } from '../../../../../tests/support/policy.ts';
import { GatewayError } from '../../errors.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import { MATCH_SPAN, type TextFinding } from '../types.ts';
import { BUILT_IN_SETTINGS, loadRules, rulesFrom } from './load.ts';
import { compilePattern, MAX_MATCH } from './pattern.ts';
import { parseRules } from './read-file.ts';

const CATALOG = {
  tools: [{ name: 'read_ticket' }, { name: 'send_mail' }],
  resources: [{ name: 'handbook' }],
  prompts: [{ name: 'greet' }],
} as unknown as NonNullable<Parameters<typeof loadRules>[1]['catalog']>;
const AROUND = { ranks: sensitivityRanks({ nightjar: 2 }), catalog: CATALOG, classifier: null };

const RULE = [
  'rules:',
  '  - id: project-code',
  '    kind: personal',
  '    pattern: \\bNJ-\\d{4}\\b',
  '    tests: { match: ["see NJ-1234 now"], pass: ["see NJ-123"] }',
];

async function load(t: TestContext, ...lines: string[]) {
  const folder = await folderOf(t, {});
  const path = join(folder, 'inspection.yaml');
  await writeFile(path, `${['inspection: 1', 'version: "2026-11-a"', ...lines].join('\n')}\n`);
  return loadRules(path, AROUND);
}

const refused = (t: TestContext, lines: string[], detail: RegExp) =>
  assert.rejects(load(t, ...lines), { code: 'INSPECTION_INVALID', detail });

/** A rule file with one rule of this pattern. */
const patterned = (pattern: string, match: string, more: string[] = []): string[] => [
  'rules:',
  '  - id: one',
  '    kind: secret',
  `    pattern: '${pattern}'`,
  `    tests: { match: ['${match}'], pass: ['-'] }`,
  ...more.map((line) => `    ${line}`),
];

test('without a file the built-in rules and settings are in force, and their hash is always the same', async () => {
  const rules = await loadRules(null, AROUND);
  assert.equal(rules.version, 'built-in');
  assert.match(rules.hash, /^sha256:[0-9a-f]{64}$/);
  assert.equal(rules.hash, (await loadRules(null, AROUND)).hash);
  assert.deepEqual(rules.settingsFor('anything'), BUILT_IN_SETTINGS);
  assert.deepEqual(rules.scans, []);
});

test('settings of a tool stand on the defaults of the file, and those on the built-in ones', async (t) => {
  const rules = await load(
    t,
    'defaults: { schema: strict, budget: 2s, outcomes: { personal: redact } }',
    'tools:',
    '  read_ticket: { max_size: 4096, outcomes: { secret: deny, link: off }, link_hosts: [Docs.Example, "*.docs.example"] }',
    '  handbook: { stream: buffered }',
  );
  const ticket = rules.settingsFor('read_ticket');
  const { outcomes } = BUILT_IN_SETTINGS;
  assert.deepEqual(ticket, {
    ...{ schema: 'strict', stream: 'windowed', maxBytes: 4096, budgetMs: 2000 },
    linkHosts: ['docs.example', '*.docs.example'],
    outcomes: { ...outcomes, personal: 'redact', secret: 'deny', link: 'off' },
  });
  assert.equal(rules.settingsFor('handbook').stream, 'buffered');
  assert.equal(rules.settingsFor('send_mail').outcomes.personal, 'redact');
  assert.equal(rules.settingsFor('constructor').maxBytes, null, 'a name of an object is a name');
});

test('a rule finds what its pattern says, where a word of its context stands near', async (t) => {
  const rules = await load(
    t,
    ...patterned('\\d{6}', 'patient no. 123456', [
      'context: { words: [patient, "a.b"], within: 16 }',
      'label: nightjar',
    ]),
  );
  const [scan] = rules.scans;
  assert.ok(scan);
  assert.deepEqual(scan('Patient 654321 and so on'), [
    { kind: 'secret', rule: 'one', start: 8, end: 14, via: [], label: 'nightjar', instead: null },
  ]);
  assert.equal(scan('654321 was the PATIENT').length, 1);
  for (const text of ['654321', 'outpatients 654321', `patient ${' '.repeat(16)}654321`, 'axb 654321'])
    assert.deepEqual(scan(text), [], text);
});

test('a rule has tests for and against it, and one whose tests fail refuses to load with the line of the text', async (t) => {
  await refused(t, RULE.slice(0, 4), /inspection\.yaml:4:5: rules\[0\]\.tests: missing/);
  const wrong = [
    ...RULE.slice(0, 4),
    '    tests:',
    '      match: [NJ-1234, nothing here]',
    '      pass: ["the NJ-9999"]',
  ];
  await refused(
    t,
    wrong,
    /:8:\d+: rules\[0\]\.tests\.match\[1\]: the rule finds nothing.*\n.*:9:\d+: .*pass\[0\]: .*should not/,
  );
  await refused(t, [...RULE.slice(0, 4), '    tests: { match: [NJ-1234], pass: [] }'], /pass: needs at least one text/);
});

test('a rule without a word of context, or whose own tests cannot be carried out, is refused', async (t) => {
  await refused(t, [...RULE, '    context: { words: [] }'], /context\.words: needs at least one word/);
  await refused(t, patterned('a{100}', 'a'.repeat(3000)), /match\[0\]: matches of .* overlap too much/);
  await refused(t, [...RULE.slice(0, 4), '    tests: { match: [], pass: [x] }'], /match: needs at least one text/);
});

test('a pattern that nothing bounds, that is too long or that matches nothing is refused [ATK-21]', async (t) => {
  const cases: [string, RegExp][] = [
    ['(a+)+$', /text of any length; give its repetitions an upper bound/],
    ['x(?:ab|c)*y', /text of any length/],
    ['a{3,}', /text of any length/],
    ['a?', /matches the empty text/],
    ['\\b', /matches the empty text/],
    ['.{600}', /may match 1200 units of text, and 1024 are the most/],
    ['[^\\x00-\\x{10FFFF}]', /matches nothing/],
    ['(?=a)b', /is no pattern in RE2 syntax/],
    ['(', /is no pattern in RE2 syntax: .*missing closing \)/],
    ['(?:[a-z]{1,30}[0-9]{1,30}){1,33}', /is too large/],
  ];
  for (const [pattern, detail] of cases) await refused(t, patterned(pattern, 'aaa'), detail);
});

test('a near miss of a megabyte costs linear time, and matches that overlap without end are given up [ATK-21]', async (t) => {
  const [scan] = (await load(t, ...patterned('(?:a{1,20}){1,20}b', 'ab'))).scans;
  assert.deepEqual(scan?.('a'.repeat(1_000_000)), []);
  const [dense] = (await load(t, ...patterned('a{100}', 'a'.repeat(100)))).scans;
  assert.throws(() => dense?.('a'.repeat(40_000)), { code: 'INSPECTION_FAILED' });
});

test('a slice of a text with its margins gives what the whole text gives', async (t) => {
  const [scan] = (await load(t, ...patterned('[a-c]{2,5}[0-9]', 'aab1'))).scans;
  assert.ok(scan && MAX_MATCH * 3 < MATCH_SPAN);
  const text = Array.from({ length: 6000 }, (_, at) => 'abc1 '[(at * at * 7 + at) % 5]).join('');
  const whole = scan(text);
  assert.ok(whole.length > 100);
  for (const from of [5001, 5002, 5003, 5500]) {
    const start = from - MATCH_SPAN;
    const shifted: TextFinding[] = scan(text.slice(start)).map((each) => ({
      ...each,
      start: each.start + start,
      end: each.end + start,
    }));
    assert.deepEqual(
      shifted.filter((each) => each.start >= from),
      whole.filter((each) => each.start >= from),
    );
  }
});

test('an unknown label, tool, rule or member is refused, with the nearest name [D-27]', async (t) => {
  await refused(
    t,
    [...RULE, '    label: secrit'],
    /rules\[0\]\.label: is no label of the vocabulary; use one of .*nightjar/,
  );
  await refused(t, ['labels: { personal: pi }'], /labels\.personal: is no label/);
  await refused(t, ['tools: { read_tickt: {} }'], /tools\.read_tickt: is no tool.*; the nearest is read_ticket/);
  await refused(t, ['off: [emial-address]'], /off\[0\]: is no built-in rule; the nearest is email-address/);
  await refused(
    t,
    [...RULE.slice(0, 1), '  - id: email-address', ...RULE.slice(2)],
    /rules\[0\]\.id: is the id of a built-in rule/,
  );
  await refused(t, ['defaults: { shema: strict }'], /unknown key; the nearest known key is `defaults\.schema`/);
  await refused(t, [...RULE, ...RULE.slice(1)], /rules\[1\]\.id: is the id of an earlier rule/);
});

test('a finding counts with the label that the file gives to its kind', async (t) => {
  const rules = await load(t, 'labels: { personal: nightjar }', ...RULE);
  assert.equal(rules.scans[0]?.('NJ-1234')[0]?.label, 'nightjar');
  const found = { rule: 'some', start: 0, end: 1, via: [], instead: null };
  assert.equal(rules.judged({ ...found, kind: 'personal', label: 'pii' })?.label, 'nightjar');
  assert.equal(rules.judged({ ...found, kind: 'personal', label: 'trade_secret' })?.label, 'trade_secret');
  assert.equal(rules.judged({ ...found, kind: 'payment', label: 'pii' })?.label, 'pii');
  const own = await load(t, 'labels: { personal: nightjar }', ...RULE, '    label: pii');
  const [mine] = own.scans[0]?.('NJ-1234') ?? [];
  assert.equal(mine && own.judged(mine)?.label, 'pii', 'a rule keeps the label that it was given');
});

test('whatever decides changes the hash, and comments and order of names do not', async (t) => {
  const tools = ['tools:', '  send_mail: { schema: log }', '  read_ticket: { schema: strict }'];
  const { hash } = await load(t, ...RULE, ...tools);
  const again = await load(t, '# a comment', ...tools.slice(0, 1), ...tools.slice(1).reverse(), ...RULE);
  assert.equal(again.hash, hash);
  const others = [
    [...RULE, ...tools, 'labels: { health: pii }'],
    [...RULE, ...tools, 'defaults: { budget: 1001ms }'],
    [...RULE, ...tools.slice(0, 2)],
    [...RULE.slice(0, 4), '    tests: { match: ["NJ-1234"], pass: ["see NJ-123"] }', ...tools],
  ];
  for (const lines of others) assert.notEqual((await load(t, ...lines)).hash, hash, lines.join('\n'));
});

test('what cannot be read is refused by name: no file, no text, no mapping', async (t) => {
  const folder = await folderOf(t, { 'bytes.yaml': '', 'list.yaml': '- a\n' });
  await writeFile(join(folder, 'bytes.yaml'), Uint8Array.of(0xff, 0xfe));
  const refusedFile = (name: string, detail: RegExp) =>
    assert.rejects(loadRules(join(folder, name), AROUND), { code: 'INSPECTION_INVALID', detail });
  await refusedFile('none.yaml', /none\.yaml: the file does not exist/);
  await refusedFile('bytes.yaml', /not valid UTF-8/);
  await refusedFile('list.yaml', /list\.yaml:1:1: expected inspection rules/);
});

const KEYS = [
  'inspection',
  'version',
  'rules',
  'id',
  'kind',
  'pattern',
  'tests',
  'match',
  'pass',
  'tools',
  'echo',
  'off',
];
const scalar = fc.oneof(fc.constantFrom('1', 'secret', 'a{1,3}', '(', 'x', 'off', '2s', 'null'), fc.string());
const written = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...KEYS, 'defaults', 'outcomes', 'labels'), fc.string()), tie('value')),
  ),
})).value;

test('whatever the file holds, it is a rule set or refused with INSPECTION_INVALID', () => {
  const text = fc.oneof(
    fc.string(),
    written.map((value) => JSON.stringify(value)),
    written.map((value) => JSON.stringify({ inspection: 1, version: 'x', rules: [value], tools: { echo: value } })),
  );
  fc.assert(
    fc.property(text, (given) => {
      try {
        rulesFrom(parseRules('f', given), AROUND);
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'INSPECTION_INVALID', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

const atom = fc.constantFrom('a', 'b', '.', '[ab]', '\\b', '^', '$', '(?:a|bb)', '\u{1f642}', '(?i:A)', '\\d', 'a?');
const quantified = fc.tuple(atom, fc.constantFrom('', '{1,3}', '{2}', '?', '*', '+'));
const pattern = fc.array(quantified, { minLength: 1, maxLength: 5 }).map((parts) => parts.flat().join(''));
const subject = fc.array(fc.constantFrom('a', 'b', 'A', ' ', '1', '\u{1f642}', '\n'), { maxLength: 60 });

test('no match is longer or shorter than what was computed of its pattern, and none contains another [ATK-21]', () => {
  fc.assert(
    fc.property(pattern, subject, (written, characters) => {
      const spans = compilePattern(written, false);
      if (typeof spans === 'string') return;
      let before = { start: -1, end: 0 };
      for (const span of spans(characters.join(''))) {
        assert.ok(span.end > span.start && span.end - span.start <= MAX_MATCH);
        assert.ok(span.start > before.start && span.end > before.end);
        before = span;
      }
    }),
    { numRuns: 2000 },
  );
});
