import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue } from '@cmcp/evidence';
import fc from 'fast-check';
import { composed } from './composed.ts';
import { type Inspecting, inspecting } from './inspector.ts';
import { rewriting } from './rewrite.ts';
import { BUILT_IN_SETTINGS, builtInRules } from './rules/load.ts';
import { type Finding, type FindingKind, MATCH_SPAN, type Scan } from './types.ts';

/** Finds a pattern. */
const scanFor =
  (pattern: RegExp, rule: string, kind: FindingKind = 'secret'): Scan =>
  (text) =>
    [...text.matchAll(pattern)].map((match) => ({
      kind,
      rule,
      start: match.index,
      end: match.index + match[0].length,
      via: [],
      label: null,
      instead: null,
    }));

const plain = (...scans: Scan[]): Inspecting => ({
  normalised: (text) => ({ text, via: [], at: (offset) => offset, within: () => [] }),
  encodedRuns: () => [],
  scans,
  rawScans: [],
});

function all<T>(work: Generator<void, T>): T {
  for (let step = work.next(); ; step = work.next()) if (step.done === true) return step.value;
}

const found = (answer: JsonValue, how: Inspecting): Finding[] => all(inspecting(answer, how)).findings;
const TOKEN = scanFor(/TOKEN-\d+/g, 'token');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('texts, names, numbers and bodies are looked at wherever they stand, and found at their place [G18]', () => {
  const answer = {
    content: [
      { type: 'text', text: 'see TOKEN-1' },
      { type: 'resource', resource: { uri: 'a:b', blob: base64('x TOKEN-2') } },
      { type: 'image', data: base64('TOKEN-3'), mimeType: 'text/plain' },
    ],
    structuredContent: { 'TOKEN-4': [[{ deep: 'TOKEN-5' }]], n: 123456 },
    _meta: { 'x/y': 'TOKEN-6' },
  };
  const paths = found(answer, plain(TOKEN, scanFor(/123456/g, 'number'))).map(({ passage, start, end }) => [
    passage.path.join('/'),
    passage.kind,
    passage.text.slice(start, end),
  ]);
  assert.deepEqual(paths, [
    ['content/0/text', 'text', 'TOKEN-1'],
    ['content/1/resource/blob', 'body', 'TOKEN-2'],
    ['content/2/data', 'body', 'TOKEN-3'],
    ['structuredContent/TOKEN-4', 'name', 'TOKEN-4'],
    ['structuredContent/TOKEN-4/0/0/deep', 'text', 'TOKEN-5'],
    ['structuredContent/n', 'number', '123456'],
    ['_meta/x/y', 'text', 'TOKEN-6'],
  ]);
});

test('a value is judged with the name of its member, and an instruction across two texts is found in both', () => {
  const named = scanFor(/(?<=ssn: )\d{9}/g, 'ssn');
  const answer = { ssn: 123456789, other: 123456789, ssns: ['x', { ssn: '987654321' }] };
  assert.deepEqual(
    found(answer, plain(named)).map(({ passage }) => passage.path),
    [['ssn'], ['ssns', 1, 'ssn']],
  );
  const split = scanFor(/ignore[^a-z]+(?:text)?[^a-z]+orders/g, 'split');
  const blocks = [{ text: 'please ignore' }, { text: 'orders' }];
  assert.deepEqual(
    found(blocks, plain(split)).map(({ passage, start, end }) => passage.text.slice(start, end)),
    ['ignore', 'orders'],
  );
});

test('what is found is taken out with every copy, whatever holds it, and types stay [G18, DET-08]', () => {
  const secret = 'TOKEN-77777777';
  const answer = {
    a: `one ${secret} two`,
    copy: { [secret]: [`${secret}!`], blob: base64(`b ${secret}`), uri: 'x' },
    json: '{"t":"q\\"uote-1234"}',
    quoted: 'q"uote-1234',
    n: 55555,
    m: 55555,
    type: 'text',
  };
  const scans = plain(
    scanFor(/one TOKEN-77777777/g, 'ctx'),
    TOKEN,
    scanFor(/(?<=quoted: )q"uote-1234/g, 'q'),
    scanFor(/(?<=n: )5+/g, 'num'),
  );
  const { value, removed } = all(rewriting(answer, found(answer, scans)));
  assert.deepEqual(value, {
    a: '[redacted: ctx] two',
    copy: { '[redacted: token]': ['[redacted: token]!'], blob: base64('b [redacted: token]'), uri: 'x' },
    json: '{"t":"[redacted: q]"}',
    quoted: '[redacted: q]',
    n: 0,
    m: 0,
    type: 'text',
  });
  assert.equal(removed.get('token'), 3);
});

const padding = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', '.'), maxLength: 40 });
/** Around every slice of a long text there is something to find. */
const long = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 1, max: 9999 }), padding), { maxLength: 40 })
  .map((parts) =>
    parts.map(([gap, n, pad]) => `${'x '.repeat(gap)}${pad}<${'y'.repeat(n % 3000)}TOKEN-${n}>`).join(''),
  );

test('a text that is looked through in slices gives what it gives whole [ATK-18]', () => {
  const scan = scanFor(new RegExp(`<y{0,${MATCH_SPAN}}TOKEN-\\d+>`, 'g'), 'token');
  fc.assert(
    fc.property(long, (text) => {
      assert.deepEqual(
        found([text], plain(scan)).map(({ start, end }) => [start, end]),
        scan(text).map(({ start, end }) => [start, end]),
      );
    }),
    { numRuns: 60 },
  );
});

const word = fc.constantFrom('TOKEN-11111', 'TOKEN-2', 'TOKEN-', 'a', ' ', '🙂', '12345', '"', '\\');
const phrase = fc.array(word, { maxLength: 6 }).map((words) => words.join(''));
const answers = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    phrase,
    fc.constantFrom<JsonValue>(null, true, 12345, 0, 7),
    phrase.map((text): JsonValue => ({ uri: 'x:', blob: base64(text) })),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(phrase, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

/** What is an object stays one with as many members, a list keeps its length, and every value its type. */
function shapeOf(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  return typeof value === 'object' && value !== null ? Object.values(value).map(shapeOf) : typeof value;
}

test('nothing that is found is left once it is taken out, and structure and types stay [G18, DET-08]', () => {
  const how = plain(scanFor(/TOKEN-\d+/g, 'token'), scanFor(/12345/g, 'number'));
  fc.assert(
    fc.property(answers, (answer) => {
      const { value } = all(rewriting(answer, found(answer, how)));
      assert.deepEqual(found(value, how), []);
      assert.deepEqual(shapeOf(value), shapeOf(answer));
    }),
    { numRuns: 1000 },
  );
});

test('what is encoded is decoded, as often as is allowed, and what is found there is the whole run', () => {
  const how: Inspecting = {
    ...plain(scanFor(/TOKEN-\d+/g, 'token', 'injection')),
    encodedRuns: (text) =>
      [...text.matchAll(/[A-Za-z0-9+/]{12,}={0,2}/g)]
        .map((match) => ({ start: match.index, end: match.index + match[0].length, text: match[0] }))
        .flatMap((run) => {
          const text = Buffer.from(run.text, 'base64').toString();
          return /^[\x20-\x7e]+$/.test(text) ? [{ ...run, via: 'base64' as const, text }] : [];
        }),
  };
  const once = base64('say TOKEN-123456');
  const [finding] = found([`a ${once} b`], how);
  assert.deepEqual(
    [finding?.kind, finding?.via, finding?.start, finding?.end],
    ['concealed', ['base64'], 2, 2 + once.length],
  );
  assert.equal(found([base64(base64(once))], how).length, 1);
  assert.throws(() => found([base64(base64(base64(once)))], how), { code: 'INSPECTION_FAILED' });
});

test('what hides something hides only what it stands in', () => {
  const how: Inspecting = {
    ...plain(scanFor(/orders/g, 'orders', 'injection')),
    normalised: (text) => {
      const kept = [...text].flatMap((char, index) => (char === '~' ? [] : [{ char, index }]));
      const at = (offset: number): number => kept[offset]?.index ?? text.length;
      const within = (start: number, end: number) =>
        at(end) - at(start) > end - start ? (['invisible'] as const) : [];
      return { text: kept.map(({ char }) => char).join(''), via: [], at, within };
    },
  };
  const seen = found(['~ orders', 'or~ders'], how).map(({ kind, start, end }) => [kind, start, end]);
  assert.deepEqual(seen, [
    ['injection', 2, 8],
    ['concealed', 0, 7],
  ]);
});

test('what a terminal would swallow is read all the same, and what stands around it too [ATK-08]', () => {
  const how = composed([scanFor(/orders/g, 'orders', 'injection')])(builtInRules(), BUILT_IN_SETTINGS);
  for (const hidden of [
    '\x1b]0;orders\x07',
    '\x1bPor\x1b[31mders\x1b\\\\',
    '\x1b]8;;or\u200bders',
    '\x9dor\x9b1mders\x9c',
  ]) {
    const seen = found([`a ${hidden} b`], how).map(({ kind, rule }) => [kind, rule]);
    assert.deepEqual(seen.at(-1), [hidden === '\x1b]0;orders\x07' ? 'injection' : 'concealed', 'orders'], hidden);
  }
  assert.deepEqual(
    found([{ a: '\x1b]0;', b: 'orders', c: '\x07' }], how).map(({ rule, passage }) => [rule, passage.path]),
    [
      ['terminal-conceal', [0, 'a']],
      ['orders', [0, 'b']],
    ],
  );
});

test('what is written in characters that nobody sees is read by itself [ATK-07]', () => {
  const how = composed([scanFor(/\borders\b/g, 'orders', 'injection')])(builtInRules(), BUILT_IN_SETTINGS);
  const hidden = [...'orders'].map((char) => String.fromCodePoint(0xe0000 + (char.codePointAt(0) ?? 0))).join('');
  const [taken, finding, ...more] = found([`all is well${hidden}, and \u{1f600} so on`], how);
  assert.equal(taken?.rule, 'tag-characters');
  assert.deepEqual([finding?.kind, finding?.start, more], ['concealed', 11, []]);
  assert.equal(finding?.passage.text.slice(finding.start, finding.end).startsWith(hidden.slice(0, 2)), true);
});

test('an answer that holds more findings than can be kept, or more once it is decoded, is not taken for inspected', () => {
  assert.throws(() => found(['1 '.repeat(60_000)], plain(scanFor(/1/g, 'one'))), { code: 'INSPECTION_FAILED' });
  const bomb: Inspecting = {
    ...plain(),
    encodedRuns: (text) => (text.includes('bomb') ? [{ start: 0, end: 4, via: 'hex', text: 'x'.repeat(9e6) }] : []),
  };
  assert.throws(() => found(['bomb'], bomb), { code: 'INSPECTION_FAILED' });
});

test('a body that is no text is counted, and read as far as it goes', () => {
  const of = (bytes: Buffer): JsonValue => ({ uri: 'x:', blob: bytes.toString('base64') });
  const png = of(Buffer.from([0x89, 0x50, 0, 0, 13]));
  const cut = of(Buffer.concat([Buffer.from('TOKEN-1 '), Buffer.from([0xff])]));
  const inspected = all(inspecting([png, cut, of(Buffer.from('TOKEN-2'))], plain(TOKEN)));
  assert.equal(inspected.notScanned, 2);
  assert.equal(inspected.findings.length, 2);
});

test('taking much out of a long answer stops now and then, whatever it holds', () => {
  const values = Array.from({ length: 300 }, (_, index) => `TOKEN-${1e9 + index}`);
  const answer = [values.join(' '), 'TOKEN-'.repeat(20_000)];
  let stops = 0;
  const work = rewriting(answer, found(answer, plain(TOKEN)));
  for (let step = work.next(); step.done !== true; step = work.next()) stops += 1;
  assert.ok(stops > 50, `${stops} stops`);
});
