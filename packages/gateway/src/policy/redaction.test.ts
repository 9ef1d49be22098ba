import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonValue, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { apply } from '../inspection/redaction/apply.ts';
import { PathSight } from '../inspection/redaction/path-sight.ts';
import { readRedactions, type Step } from './redaction.ts';

function read(list: string) {
  const redactions = readRedactions(list);
  assert.ok(typeof redactions !== 'string', `${list}: ${redactions}`);
  return redactions;
}

const written = (list: string): string[] => read(list).map(({ text }) => text);

/** What is left of a document, and how many values were removed. */
function left(list: string, document: string): [string, number] {
  const paths = read(list).flatMap((redaction) => (redaction.kind === 'path' ? [redaction.steps] : []));
  const removed = { fields: 0 };
  const value = apply(parseJson(document), [new PathSight(paths)], removed);
  return [stringifyJson(value), removed.fields];
}

test('items are paths and classes, in one written form, each once', () => {
  assert.deepEqual(written('$.customer.ssn'), ['$.customer.ssn']);
  assert.deepEqual(written(` $['a'] , $["a"],$.a , class:pii,class:pii`), ['$.a', 'class:pii']);
  assert.deepEqual(written(`$.items[*].email,$.items.*.email`), ['$.items[*].email']);
  assert.deepEqual(written(`$['a,b'][0]..c..['d e']`), ['$["a,b"][0]..c..["d e"]']);
  assert.deepEqual(written(`$['it\\'s']["\\"q\\""]['"']`), ['$["it\'s"]["\\"q\\""]["\\""]']);
  assert.deepEqual(written(`$.größe`), ['$["gr\\u00f6\\u00dfe"]']);
});

test('what is not in the subset of paths is refused, with what is wrong', () => {
  const cases: [string, RegExp][] = [
    ['', /an item is empty/],
    ['$.a,', /an item is empty/],
    ['$.a,,$.b', /an item is empty/],
    ['$', /the whole answer/],
    ['a.b', /begins with neither \$ nor class:/],
    ['class:', /names no class/],
    ['class:PII', /names no class/],
    ['class:pii.x', /names no class/],
    ...[
      '$.',
      '$a',
      '$.a.',
      '$...a',
      '$.a b',
      '$.a-b',
      '$. a',
      '$.1a',
      '$[01]',
      '$[-1]',
      '$[1:2]',
      '$[?@.a]',
      '$[a]',
    ].map((path): [string, RegExp] => [path, /cannot be read from/]),
    ...['$..*', '$..[*]', '$..[0]', `$['a`, `$['a"]`, `$['\\x']`, `$['\\ud800']`, `$.a'b`].map(
      (path): [string, RegExp] => [path, /cannot be read from/],
    ),
  ];
  for (const [list, words] of cases) {
    const problem = readRedactions(list);
    assert.match(typeof problem === 'string' ? problem : `${list} was read`, words);
  }
});

test('a path removes what it leads to, texts by a mark and all else by null, and nothing else', () => {
  const document = '{"a":{"b":"x","c":1.50},"l":[{"b":true},{"b":[1]},"b"],"b":null}';
  const cases: [string, string, number][] = [
    ['$.a.b', '{"a":{"b":"[redacted]","c":1.50},"l":[{"b":true},{"b":[1]},"b"],"b":null}', 1],
    ['$.a', '{"a":null,"l":[{"b":true},{"b":[1]},"b"],"b":null}', 1],
    ['$.l[*].b', '{"a":{"b":"x","c":1.50},"l":[{"b":null},{"b":null},"b"],"b":null}', 2],
    ['$.l[2], $.l[9], $.l.b', '{"a":{"b":"x","c":1.50},"l":[{"b":true},{"b":[1]},"[redacted]"],"b":null}', 1],
    ['$.*', '{"a":null,"l":null,"b":null}', 3],
    ['$..b', '{"a":{"b":"[redacted]","c":1.50},"l":[{"b":null},{"b":null},"b"],"b":null}', 4],
    ['$.l..b, $.a..c', '{"a":{"b":"x","c":null},"l":[{"b":null},{"b":null},"b"],"b":null}', 3],
    ['$.a, $.a.b', '{"a":null,"l":[{"b":true},{"b":[1]},"b"],"b":null}', 1],
    ['$.A.b, $.x', document, 0],
  ];
  for (const [list, expected, count] of cases) assert.deepEqual(left(list, document), [expected, count], list);
  assert.deepEqual(left('$.__proto__.a', '{"__proto__":{"a":1}}'), ['{"__proto__":{"a":null}}', 1]);
});

test('whatever is written, it is read or refused, and the written form is read as the same', () => {
  const piece = fc.constantFrom(
    '$',
    '.',
    '..',
    '[',
    ']',
    '*',
    "'",
    '"',
    '\\',
    ',',
    ' ',
    'a',
    'ß',
    '0',
    '12',
    'class:',
    'pii',
    '\ud800',
    '[*]',
  );
  const lists = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(lists, (list) => {
      const redactions = readRedactions(list);
      if (typeof redactions === 'string') return redactions !== '';
      for (const redaction of redactions) {
        assert.match(redaction.text, /^[ -~]+$/);
        assert.deepEqual(readRedactions(redaction.text), [redaction]);
      }
      return redactions.length > 0;
    }),
    { numRuns: 3000 },
  );
});

test('a document without what a path leads to has no value at any place that the path reaches', () => {
  const name = fc.constantFrom('a', 'b');
  const step: fc.Arbitrary<Step> = fc.oneof(
    name.map((it): Step => ({ kind: 'name', name: it })),
    name.map((it): Step => ({ kind: 'anywhere', name: it })),
    fc.nat(2).map((index): Step => ({ kind: 'index', index })),
    fc.constant<Step>({ kind: 'all' }),
  );
  const { document } = fc.letrec((tie) => ({
    document: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('x', 1, true),
      fc.array(tie('document'), { maxLength: 3 }),
      fc.dictionary(name, tie('document'), { noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), document, (steps, given) => {
      const removed = { fields: 0 };
      const after = apply(given as JsonValue, [new PathSight([steps])], removed);
      for (const value of reached([after], steps)) assert.ok(value === null || value === '[redacted]');
      if (reached([given as JsonValue], steps).length === 0) assert.deepEqual([after, removed.fields], [given, 0]);
      else assert.ok(removed.fields > 0);
    }),
    { numRuns: 2000 },
  );
});

/** RFC 9535 by the letter: the values that a path leads to, one step after the other. */
function reached(from: readonly JsonValue[], steps: readonly Step[]): JsonValue[] {
  return steps.reduce<JsonValue[]>(
    (values, step) => {
      const all = step.kind === 'anywhere' ? values.flatMap(within) : values;
      return all.flatMap((value) => children(value, step));
    },
    [...from],
  );
}

const entries = (value: JsonValue): [string, JsonValue][] =>
  typeof value === 'object' && value !== null ? (Object.entries(value) as [string, JsonValue][]) : [];

const within = (value: JsonValue): JsonValue[] => [value, ...entries(value).flatMap(([, item]) => within(item))];

const children = (value: JsonValue, step: Step): JsonValue[] =>
  entries(value).flatMap(([key, item]) => {
    if (step.kind === 'all') return [item];
    if (step.kind === 'index') return Array.isArray(value) && key === String(step.index) ? [item] : [];
    return !Array.isArray(value) && key === step.name ? [item] : [];
  });
