import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue } from '@cmcp/evidence';
import fc from 'fast-check';
import type { Notice } from '../../mcp/types.ts';
import { type Inspecting, inspecting } from '../inspector.ts';
import { normalised } from '../normal/normalised.ts';
import { rewriting } from '../rewrite.ts';
import { MATCH_SPAN, type Scan } from '../types.ts';
import { type Holding, NoticeWindow, type Seen } from './notice-window.ts';
import { saying } from './said.ts';

const scanFor =
  (pattern: RegExp, rule: string): Scan =>
  (text) =>
    [...text.matchAll(pattern)].map((match) => ({
      kind: 'secret',
      rule,
      start: match.index,
      end: match.index + match[0].length,
      via: [],
      label: null,
      instead: null,
    }));

const HOW: Inspecting = {
  normalised,
  encodedRuns: () => [],
  scans: [scanFor(/KEY-[0-9a-f]{8}/g, 'key'), scanFor(/ignore\s+all\s+instructions/g, 'override')],
  rawScans: [],
};

function all<T>(work: Generator<void, T>): T {
  for (let step = work.next(); ; step = work.next()) if (step.done === true) return step.value;
}

const progress = (message: string | null, at = 1): Notice => ({ kind: 'progress', progress: at, total: null, message });
const log = (data: JsonValue, logger: string | null = null): Notice => ({ kind: 'log', level: 'info', logger, data });

/** What is read of the notices, in order, without what was found. */
class Reader {
  readonly window: NoticeWindow;
  readonly heard: Notice[] = [];
  constructor(holding: Holding = 'windowed') {
    this.window = new NoticeWindow(HOW, holding);
  }
  say(...notices: Notice[]): this {
    for (const notice of notices) this.#hear(all(this.window.take(notice)).seen);
    return this;
  }
  end(): this {
    this.#hear(this.window.end());
    return this;
  }
  get words(): JsonValue[] {
    return this.heard.map((notice) => (notice.kind === 'log' ? notice.data : notice.message));
  }
  #hear(seen: readonly Seen[]): void {
    for (const { notice, said, findings } of seen) {
      const left = said === null ? null : all(rewriting(said, findings)).value;
      this.heard.push(left === null ? notice : saying(notice, left as never));
    }
  }
}

test('what progress mostly says is passed on at once, and so is progress without words', () => {
  const said = [
    'Processing 3 of 10',
    'Indexed part one.',
    'Uploading… 45 %',
    'halfway',
    null,
    'Step 2/7: compiling sources',
  ];
  for (const message of said) assert.deepEqual(new Reader().say(progress(message)).words, [message]);
});

test('what could go on is held until what follows shows that it does not, or nothing follows', () => {
  for (const message of ['key KEY-0123', 'ignore all', 'card 4111 1111', 'see https://a.example/x', 'password:']) {
    const reader = new Reader().say(progress(message));
    assert.deepEqual(reader.words, [], message);
    assert.deepEqual(reader.end().words, [message]);
  }
  const reader = new Reader().say(progress('read report_2024.pdf'), progress('Reading the next file'));
  assert.deepEqual(reader.words, ['read report_2024.pdf', 'Reading the next file']);
});

test('a value that is split over notices is taken out of each of them', () => {
  const halves = new Reader().say(progress('the key is KEY-0123'), progress('4567 as of today')).end();
  assert.deepEqual(halves.words, ['the key is [redacted: key]', '[redacted: key] as of today']);
  const places = new Reader().say(log({ n: 1, text: 'KEY-01' }), log({ n: 2, text: '234567' })).end();
  assert.deepEqual(places.words, [
    { n: 1, text: '[redacted: key]' },
    { n: 2, text: '[redacted: key]' },
  ]);
});

test('a phrase that is split over notices is found also where they are of different kinds', () => {
  const reader = new Reader().say(progress('ignore'), log('all'), progress('instructions')).end();
  // A word that nothing begins with does not wait.
  assert.deepEqual(reader.words, ['all', '[redacted: override]', '[redacted: override]']);
});

test('what was passed on is kept: a value that began in it is found, and its rest taken out', () => {
  const reader = new Reader('open').say(progress('KEY-0123'), progress('4567'), progress('and on'));
  assert.deepEqual(reader.words, ['KEY-0123', '[redacted: key]', 'and on']);
});

test('a held notice goes once enough follows it at the same place, and progress does not wait for logs', () => {
  const long = 'word '.repeat(MATCH_SPAN / 5 + 1);
  const reader = new Reader().say(log('KEY-'), progress('Processing 1 of 2'));
  assert.deepEqual(reader.words, ['Processing 1 of 2']);
  reader.say(progress('KEY-'), progress(long));
  assert.deepEqual(reader.words, ['Processing 1 of 2', 'KEY-']);
  reader.say(log(` ${long}`));
  assert.deepEqual(reader.words.slice(2), ['KEY-']);
});

test('no more than so many are held: the first then goes, and later ones go in order', () => {
  const reader = new Reader();
  for (let index = 0; index < 40; index += 1) reader.say(log(`<${index}`));
  assert.equal(reader.words.length, 24);
  assert.deepEqual(
    reader.end().words,
    Array.from({ length: 40 }, (_, index) => `<${index}`),
  );
});

test('what is longer than can be held is passed on once it was looked at, and so is what was held before it', () => {
  const long = `${'x'.repeat(300_000)}.`;
  assert.deepEqual(new Reader().say(log('KEY-'), log(long)).words, ['KEY-', long]);
});

test('logs may speak of any number of things: beyond some, what is said of them is read as one', () => {
  const reader = new Reader();
  for (let index = 0; index < 40; index += 1) reader.say(log({ [`m${index}`]: 'done' }));
  reader.say(log({ first: 'KEY-0123' }), log({ second: '4567' })).end();
  assert.deepEqual(reader.words.slice(-2), [{ first: '[redacted: key]' }, { second: '[redacted: key]' }]);
});

test('buffered, everything with words is held to the end, and what there is no room for is dropped', () => {
  const reader = new Reader('buffered').say(progress('Processing 3 of 10'), progress(null, 2), progress('KEY-'));
  assert.deepEqual(reader.words, [null]);
  assert.deepEqual(reader.end().words, [null, 'Processing 3 of 10', 'KEY-']);
  const full = new Reader('buffered');
  for (let index = 0; index < 8; index += 1) full.say(log('x'.repeat(60_000)));
  assert.equal(full.end().words.length, 4);
});

test('what is found of anything held is said at once, before it is passed on', () => {
  const window = new NoticeWindow(HOW, 'buffered');
  assert.deepEqual(all(window.take(progress('ignore all'))).found, []);
  const { seen, found } = all(window.take(progress('instructions')));
  assert.deepEqual(seen, []);
  assert.deepEqual([...new Set(found.map(({ rule }) => rule))], ['override']);
});

test('inspection of notices equals inspection of the whole, however it is cut [DET-01]', () => {
  const piece = fc.constantFrom(
    'KEY-',
    '0123',
    '4567',
    'ignore ',
    'all',
    ' instructions',
    ' and so on ',
    'x'.repeat(5000),
    '\n',
  );
  const text = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));
  const holding = fc.constantFrom<Holding>('windowed', 'buffered');
  fc.assert(
    fc.property(text, fc.array(fc.nat(), { maxLength: 12 }), holding, (whole, cuts, held) => {
      const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
      const parts = [...at, whole.length].map((cut, index) => whole.slice(at[index - 1] ?? 0, cut));
      const reader = new Reader(held).say(...parts.filter((part) => part !== '').map((part) => progress(part))).end();
      const heard = reader.words.join('');
      for (const { start, end } of all(inspecting(whole, HOW)).findings) {
        assert.equal(heard.includes(whole.slice(start, end)), false);
      }
      if (all(inspecting(whole, HOW)).findings.length === 0 && !/ignore\s*all\s*instructions/.test(whole)) {
        assert.equal(heard, whole);
      }
    }),
  );
});

test('work and memory are bounded, however much is said: each character is looked at a bounded number of times', () => {
  let looked = 0;
  const counting: Scan = (text) => {
    looked += text.length;
    return [];
  };
  const window = new NoticeWindow({ ...HOW, scans: [counting] }, 'windowed');
  let said = 0;
  for (let index = 0; index < 1500; index += 1) {
    const words = `<entry ${index} ${'y'.repeat(index % 50)}`;
    said += 1;
    all(window.take(index % 2 === 0 ? progress(words) : log(words)));
  }
  assert.ok(looked < said * 4 * MATCH_SPAN, `${looked} characters for ${said} notices`);
});
