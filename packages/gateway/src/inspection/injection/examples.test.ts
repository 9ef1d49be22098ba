import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodedRuns } from '../decoding/encoded-runs.ts';
import { normalised } from '../normal/normalised.ts';
import { INJECTION_RULES } from './rules.ts';
import { scanInjection } from './scan-injection.ts';

const rulesIn = (text: string): string[] => scanInjection(normalised(text).text).map(({ rule }) => rule);

for (const { id, examples } of INJECTION_RULES) {
  test(`${id} finds its examples, and no rule finds those that pass [DET-01] [DET-02]`, () => {
    for (const example of examples.found) assert.ok(rulesIn(example).includes(id), example);
    for (const example of examples.passed) assert.deepEqual(rulesIn(example), [], example);
  });
}

/** What escapes, disguises and encodings are made of. */
const PIECES = fc.oneof(
  fc.constantFrom(
    '&',
    '#',
    'x',
    '105',
    ';',
    'amp',
    '%',
    '25',
    'e2',
    '%80',
    '%8b',
    '\u001b',
    '[',
    'm',
    ']',
    '\u0007',
    '\\',
  ),
  fc.constantFrom('\b', '\r', '\n', 'e', '\u0301', '\u0336', '\u200b', '\ufe0f', '\u{e0101}', '\u{e0041}', '\u009d'),
  fc.constantFrom(
    '\ud800',
    '\udc00',
    '\ufdfa',
    '\u00bd',
    '\u{1d400}',
    '\u0438',
    '\uff05',
    '\ufb00',
    '\u1100',
    '\u1161',
  ),
  fc.constantFrom('ignore all ', 'previous instructions', 'aWdub3JlIGFsbCBwcmV2aW91cw==', '\\u0069', '<!--', '[INST]'),
  fc.string({ unit: 'binary' }),
);
const TEXTS = fc.array(PIECES, { maxLength: 30 }).map((pieces) => pieces.join(''));

test('normalising is idempotent, and its offsets lead back in order, for any text', () => {
  fc.assert(
    fc.property(TEXTS, (text) => {
      const { text: normal, at } = normalised(text);
      assert.equal(normalised(normal).text, normal);
      const places = Array.from({ length: normal.length + 1 }, (_, offset) => at(offset));
      assert.ok(places.every((place, index) => place >= (places[index - 1] ?? 0) && place <= text.length));
      assert.equal(places.at(-1), text.length);
    }),
    { numRuns: 5_000 },
  );
});

test('every span that is found lies in the text, whatever the text', () => {
  fc.assert(
    fc.property(TEXTS, (text) => {
      for (const { start, end } of [...scanInjection(text), ...encodedRuns(text)]) {
        assert.ok(start >= 0 && start < end && end <= text.length);
      }
    }),
    { numRuns: 5_000 },
  );
});
