import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UriTemplate as OfficialTemplate } from '@modelcontextprotocol/sdk/shared/uriTemplate.js';
import fc from 'fast-check';
import { uriProblem } from './uri.ts';
import { CompiledTemplate, parseUriTemplate } from './uri-template.ts';

function template(text: string): CompiledTemplate {
  const parsed = parseUriTemplate(text);
  assert.ok(parsed instanceof CompiledTemplate, 'problem' in parsed ? `${text} ${parsed.problem}` : text);
  return parsed;
}

const matches = (text: string, uri: string): boolean => template(text).matches(uri);

/** Each template with URIs that it stands for, and others that it does not. */
const CASES: [string, string[], string[]][] = [
  [
    'note:///{id}',
    ['note:///1', 'note:///a-b_c.d~e', 'note:///caf%C3%A9', 'note:///a,b;c=d@e:f'],
    [
      'note:///',
      'note:///a/b',
      'note:///a?b',
      'note:///a#b',
      'note:///a%2Fb',
      'note:///a%2fb',
      'Note:///1',
      'note://1',
    ],
  ],
  ['x:/a/{b}/c', ['x:/a/1/c'], ['x:/a//c', 'x:/a/1/c/', 'x:/a/1/2/c', 'x:/a/1', 'y:/a/1/c']],
  ['x:/{a}-{b}', ['x:/1-2', 'x:/1-2-3'], ['x:/1', 'x:/-2', 'x:/1-']],
  ['x:/{a,b}', ['x:/1,2', 'x:/1'], ['x:/1/2']],
  ['x:/{+path}', ['x:/a/b/c.txt', 'x:/a?b=c', 'x:/a%2Fb'], ['x:/', 'x:/a#b', 'x://etc/passwd', 'x:/%2Fetc/passwd']],
  ['x:/a{#part}', ['x:/a', 'x:/a#b', 'x:/a#b/c?d'], ['x:/a#', 'x:/ab']],
  ['x:/a{/b,c}', ['x:/a', 'x:/a/1', 'x:/a/1/2'], ['x:/a/', 'x:/a/1/2/3', 'x:/a//2', 'x:/a1']],
  ['x:/a{/b*}', ['x:/a', 'x:/a/1', 'x:/a/1/2/3/4'], ['x:/a/1//2', 'x:/a/1?2', 'x:/a/1%2F2']],
  ['x:/a{.b}', ['x:/a', 'x:/a.txt', 'x:/a.tar.gz'], ['x:/a.', 'x:/atxt', 'x:/a.t/b']],
  [
    'x:/s{?q,n}',
    ['x:/s', 'x:/s?q=a', 'x:/s?n=1', 'x:/s?q=a&n=1', 'x:/s?q=', 'x:/s?q=a/b?c', 'x:/s?q=a%2Fb%26n'],
    ['x:/s?', 'x:/s?n=1&q=a', 'x:/s?q=a&q=b', 'x:/s?q', 'x:/s?q=a&admin=1', 'x:/s?r=1', 'x:/s?q=a#b', 'x:/s&q=a'],
  ],
  ['x:/s?f=1{&q}', ['x:/s?f=1', 'x:/s?f=1&q=a'], ['x:/s?f=1&r=a', 'x:/s?f=2', 'x:/s?f=1q=a']],
  ['x:/s{?tag*}', ['x:/s?tag=a&tag=b', 'x:/s'], ['x:/s?tag=a&other=b']],
  ['x:/s;{;v,w}', ['x:/s;', 'x:/s;;v', 'x:/s;;v=1;w=2', 'x:/s;;w'], ['x:/s;;v=1;v=2', 'x:/s;;v=a/b']],
  ['x:/s?q={q}', ['x:/s?q=a', 'x:/s?q=a=b'], ['x:/s?q=a&admin=1', 'x:/s?q=', 'x:/s?q=a/b']],
  ['x:/s{?p}{q}', ['x:/sq', 'x:/s?p=1q'], ['x:/s?p=1&admin=1', 'x:/s?p=1q&admin=1']],
  ['x:/{id:3}', ['x:/a', 'x:/abc', 'x:/%C3%A9%C3%A9%E2%82%AC'], ['x:/abcd', 'x:/', 'x:/%C3%A9%C3%A9%C3%A9%C3%A9']],
  ['x:/{a*}', ['x:/1', 'x:/1,2,3'], ['x:/1/2']],
  ['x:/literal', ['x:/literal'], ['x:/literal2', 'x:/litera', 'x:/literal?']],
  ['x:/100%25/{a}', ['x:/100%25/b'], ['x:/100%/b', 'x:/100/b']],
];

test('a template stands for what RFC 6570 expands it to, and for no more', () => {
  for (const [text, yes, no] of CASES) {
    for (const uri of yes) assert.equal(matches(text, uri), true, `${text} stands for ${uri}`);
    for (const uri of no) assert.equal(matches(text, uri), false, `${text} does not stand for ${uri}`);
  }
});

test('what is not canonical is never matched: traversal in every spelling, control characters, backslashes [MCP26-38] [ATK-22]', () => {
  const wide = template('file:///data/{+path}');
  assert.equal(wide.matches('file:///data/a/b'), true);
  // biome-ignore format: a table
  const refused = [
    '../b', '..', '.', 'a/../../b', 'a/./b', 'a/..', '%2e%2e/b', '%2E./b', 'a/%2e%2e%2fb', 'a%2F..%2Fb', '%252e%252e/b',
    '%252e%252e%252fb', '%25%32%65%25%32%65/b', '%25252e/b', 'a%252fb', '..;/b', 'a?p=../b', 'a?p=..%2Fb', 'a;..',
    'a\\b', 'a%5Cb', 'a%5c..%5cb', 'a%00', 'a%0A', 'a%0d%0ab', 'a%7F', 'a%C2%85', 'a\u0000', 'a\nb', 'a b', 'a\tb', 'é', 'a\u0085',
    'a\u202eb', 'ａ', 'a|b', 'a"b', 'a<b>', 'a^b', 'a`b', '{path}', 'a%', 'a%2', 'a%zz', 'a%C0%AE%C0%AE/b', 'a%FF', 'a%ED%A0%80',
    'a#b', 'a#b#c', `${'a'.repeat(4097)}`,
  ];
  for (const path of refused) assert.equal(wide.matches(`file:///data/${path}`), false, JSON.stringify(path));
  for (const path of ['a..b', '..a', 'a/...', '.hidden', 'a%20b', 'a%25', 'a%2Fb', 'v1.2/x']) {
    assert.equal(wide.matches(`file:///data/${path}`), true, path);
  }
});

test('the host is what the template says: no variable can lead elsewhere [ATK-28]', () => {
  const cases: [string, string[], string[]][] = [
    [
      'http://localhost:8080{+path}',
      ['http://localhost:8080/', 'http://localhost:8080/a/b'],
      ['http://localhost:8080@evil.example/', 'http://localhost:8080.evil.example/', 'http://localhost:8080//a'],
    ],
    [
      'https://api.example:{port}/',
      ['https://api.example:80/'],
      ['https://api.example:80@evil.example/', 'https://api.example:1@evil.example:80/', 'https://api.example:80%2F/'],
    ],
    ['https://{tenant}.api.example/', ['https://a-1.api.example/'], ['https://evil.example:1@a.api.example/']],
    [
      'https://api.example{.zone}/',
      ['https://api.example/', 'https://api.example.eu/'],
      ['https://api.example.@evil/'],
    ],
    ['https://api.example{/path}{rest}', ['https://api.example/ab'], ['https://api.example@evil']],
    [
      'https://api.example{?q}{rest}',
      ['https://api.example?q=1x'],
      ['https://api.example@evil', 'https://api.example:80x'],
    ],
    ['file://{+path}', ['file:///etc/hosts', 'file:///'], ['file://server/share', 'file:////server/share']],
    ['file:///srv/{+path}', ['file:///srv/a'], ['file:///srv//etc/passwd', 'file:///srv/%2Fetc/passwd']],
  ];
  for (const [text, yes, no] of cases) {
    for (const uri of yes) assert.equal(matches(text, uri), true, `${text} stands for ${uri}`);
    for (const uri of no) assert.equal(matches(text, uri), false, `${text} does not stand for ${uri}`);
  }
});

test('what is no template, or would approve everything, is refused with what is wrong', () => {
  const cases: [string, RegExp][] = [
    ['{+uri}', /scheme that is written out/],
    ['{scheme}://x', /scheme that is written out/],
    ['/a/{b}', /scheme/],
    ['', /scheme/],
    ['x:/{a', /"\{" without its pair/],
    ['x:/a}', /"\}" without its pair/],
    ['x:/{{a}}', /without its pair/],
    ['x:/{}', /\{\}, which is no expression/],
    ['x:/{=a}', /no expression/],
    ['x:/{|a}', /no expression/],
    ['x:/{a b}', /no expression/],
    ['x:/{a:0}', /no expression/],
    ['x:/{a:256}', /no expression/],
    ['x:/{a*:3}', /no expression/],
    ['x:/{a,}', /no expression/],
    ['x:/../{a}', /segment/],
    ['x:/é/{a}', /not a URI/],
    ['x:/a b/{a}', /not a URI/],
    ['x:/%5C/{a}', /backslash/],
    [`x:/${'a'.repeat(1024)}`, /longer than 1024/],
    [`x:/${'{a:255}'.repeat(20)}`, /too many variables/],
  ];
  for (const [text, says] of cases) {
    const parsed = parseUriTemplate(text);
    assert.ok('problem' in parsed, text);
    assert.match(parsed.problem, says, text);
  }
});

test('templates that differ in the names of their variables have one shape, and others have not', () => {
  const shape = (text: string): string => template(text).shape;
  assert.equal(shape('x:/{a}/{+b*}'), shape('x:/{c}/{+d*}'));
  const different = [
    'x:/{a}',
    'x:/{+a}',
    'x:/{a*}',
    'x:/{a:3}',
    'x:/{a,b}',
    'x:/{a}b',
    'x:/s{?a}',
    'x:/s{?b}',
    'x:/s{&a}',
  ];
  assert.equal(new Set(different.map(shape)).size, different.length);
});

test('reading costs at most one visit of each state per character, whatever the template [ATK-21]', () => {
  const hostile = [
    `x:${'{+a}'.repeat(60)}!`,
    `x:${'{a}'.repeat(60)}!`,
    `x:${'{a,b,c,d,e,f,g,h}'.repeat(8)}!`,
    `x:a${'{/a*}'.repeat(30)}!`,
    `x:a${'{?aa*}'.repeat(30)}!`,
    `x:${'{a:99}'.repeat(9)}!`,
  ];
  for (const text of hostile) {
    const compiled = template(text);
    for (const unit of ['a', 'a/', 'a,', '?aa=', '%41']) {
      const rest = `a${unit.repeat(300)}`;
      const { accepted, visits } = compiled.read(`x:${rest}`);
      assert.equal(accepted, false);
      const characters = rest.replaceAll('%41', 'A').length;
      assert.ok(visits <= compiled.states * (characters + 1), `${text}: ${visits} visits`);
    }
  }
});

const name = fc.string({ unit: fc.constantFrom(...'abc'), minLength: 1, maxLength: 2 });
const expression = fc
  .tuple(fc.constantFrom('', '+', '#', '.', '/', ';', '?', '&'), fc.uniqueArray(name, { minLength: 1, maxLength: 3 }))
  .chain(([operator, names]) =>
    fc
      .array(fc.constantFrom('', '*', ':2'), { minLength: names.length, maxLength: names.length })
      .map((ends) => `{${operator}${names.map((each, index) => each + ends[index]).join(',')}}`),
  );
const literal = fc.string({ unit: fc.constantFrom(...'ab/.-?#&=:@%{}'), maxLength: 4 });
const text = fc.array(fc.oneof(expression, literal), { maxLength: 5 }).map((parts) => `x:${parts.join('')}`);
const characters = fc.string({ unit: fc.constantFrom(...'abx:/.-?#&=;,@%2F25eE\\ é'), maxLength: 20 });

test('whatever the text and the URI, parsing and matching never throw, and a match is canonical and begins as written', () => {
  let matched = 0;
  fc.assert(
    fc.property(fc.oneof(text, fc.string()), fc.oneof(characters, fc.string()), (written, rest) => {
      const parsed = parseUriTemplate(written);
      if ('problem' in parsed) return;
      const [prefix = ''] = written.split('{');
      for (const uri of [rest, `x:${rest}`, `${prefix}${rest}`]) {
        if (!parsed.matches(uri)) continue;
        matched += 1;
        assert.ok(uri.startsWith(prefix));
        assert.equal(uriProblem(uri), null);
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(matched > 50);
});

test('what the official SDK expands a template to is matched, where it is canonical', () => {
  const simple = fc
    .tuple(
      fc.constantFrom(
        'x:/{a}',
        'x:/n/{a}/{b}',
        'x:/{+a}',
        'x:/s{?a,b}',
        'x:/s?f=1{&a}',
        'x:/s{/a}',
        'x:/s{.a}',
        'x:/s{#a}',
      ),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
      fc.string({ minLength: 1, maxLength: 8 }),
    )
    .filter(([, a, b]) => a.isWellFormed() && b.isWellFormed());
  let compared = 0;
  fc.assert(
    fc.property(simple, ([written, a, b]) => {
      const uri = new OfficialTemplate(written).expand({ a, b });
      const encodesSlash = /%2F/i.test(uri) && !/[?+#]/.test(written);
      const absolute = written.includes('+') && /^[/]/.test(a);
      const otherFragment = written.includes('+') && a.includes('#');
      if (uriProblem(uri) !== null || encodesSlash || absolute || otherFragment) return;
      compared += 1;
      assert.equal(matches(written, uri), true, `${written} ${uri}`);
    }),
    { numRuns: 500 },
  );
  assert.ok(compared > 200);
});
