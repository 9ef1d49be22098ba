import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodedRuns } from '../decoding/encoded-runs.ts';
import { normalised } from './normalised.ts';

/** Escapes, what hides, and pieces of either. */
const part = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('&amp;', '&#65;', '&#x', '%41', '%', '%C3%A9', '&nbsp;', '\u001b[8m', '\u001b]8;;x\u0007', '\u001b'),
  fc.constantFrom(
    '\u200b',
    '\ufeff',
    '\ufe0f',
    '\u{e0041}',
    '\u202e',
    'e\u0301',
    'a\b',
    '\ufdfa',
    'ﬁ',
    'Ａ',
    'QUJDREVGR0g=',
    '41 42',
  ),
);
const text = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(''));

describe('reading a text', () => {
  it('changes nothing when it reads what it has read [ATK-07] [ATK-08]', () => {
    fc.assert(
      fc.property(text, (one) => {
        const { text: once } = normalised(one);
        assert.equal(normalised(once).text, once);
      }),
      { numRuns: 3000 },
    );
  });

  it('leads every unit back to where it came from, in order', () => {
    fc.assert(
      fc.property(text, (one) => {
        const { text: read, at } = normalised(one);
        for (let index = 0; index < read.length; index += 1)
          assert.ok(at(index) <= at(index + 1) && at(index) < one.length, JSON.stringify(one));
        assert.equal(at(read.length), one.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves ordinary text alone', () => {
    for (const ordinary of ['Grüße, 100 %', 'שלום\u200f עולם', '👩\u200d💻 ok', '値は三', 'a & b < c'])
      assert.deepEqual(normalised(ordinary).via, [], ordinary);
  });

  it('is not made to grow by characters that stand for a phrase', () => {
    assert.equal(normalised('\ufdfa'.repeat(100)).text.length, 100);
  });

  it('finds runs in any text without failing, each within it [ATK-09]', () => {
    fc.assert(
      fc.property(text, (one) => {
        for (const { start, end } of encodedRuns(one)) assert.ok(0 <= start && start <= end && end <= one.length);
      }),
      { numRuns: 2000 },
    );
  });
});
