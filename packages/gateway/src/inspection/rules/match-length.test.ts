import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { matchLength } from './match-length.ts';

const lengthOf = (pattern: string): [number, number] => {
  const { shortest, longest } = matchLength(RE2JS.compile(pattern));
  return [shortest, longest];
};

test('the length of a match is read off its pattern', () => {
  const cases: [string, number, number][] = [
    ['abc', 3, 3],
    ['\\bNJ-\\d{4,8}\\b', 7, 11],
    ['a|bcd|', 0, 3],
    ['(?:ab){2,3}c?', 4, 7],
    ['.', 1, 2],
    ['[\\x{1f600}-\\x{1f64f}]{2}', 2, 4],
    ['^$', 0, 0],
    ['a+', 1, Number.POSITIVE_INFINITY],
    ['(a|b*)c', 1, Number.POSITIVE_INFINITY],
  ];
  for (const [pattern, ...expected] of cases) assert.deepEqual(lengthOf(pattern), expected, pattern);
  assert.ok(lengthOf('[^\\x00-\\x{10FFFF}]')[1] < 0, 'it matches nothing');
});

const atom = fc.constantFrom('a', 'b', '.', '[ab]', '\\b', '^', '$', '(?:a|bb)', '🙂', '(?i:A)', '\\d', '[^a]', '(a|)');
const quantified = fc.tuple(atom, fc.constantFrom('', '{1,3}', '{2}', '?', '*', '+'));
const pattern = fc.array(quantified, { minLength: 1, maxLength: 5 }).map((parts) => parts.flat().join(''));
const subject = fc.array(fc.constantFrom('a', 'b', 'A', ' ', '1', '🙂', '\n'), { maxLength: 60 });

test('no match is longer or shorter than that [ATK-21]', () => {
  fc.assert(
    fc.property(pattern, subject, (written, characters) => {
      const [shortest, longest] = lengthOf(written);
      for (const [match] of RE2JS.compile(written).matchAll(characters.join(''))) {
        assert.ok(match.length >= shortest && match.length <= longest, `${written}: ${JSON.stringify(match)}`);
      }
    }),
    { numRuns: 3000 },
  );
});
