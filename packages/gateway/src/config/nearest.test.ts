import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearest } from './nearest.ts';

test('the nearest word is the one that takes the fewest edits, a swap being one', () => {
  assert.equal(nearest('polcy', ['catalog', 'policy', 'listen']), 'policy');
  assert.equal(nearest('idel', ['sdel2', 'idle']), 'idle');
  assert.equal(nearest('MODE', ['data', 'mode']), 'mode');
  assert.equal(nearest('anything', []), null);
  assert.equal(nearest('polcy', ['check'], 2), null);
  assert.equal(nearest('chekc', ['check'], 1), 'check');
});

test('a known word is nearest to itself, and long input is answered', () => {
  const words = fc.uniqueArray(
    fc.string({ minLength: 1, maxLength: 20 }).map((word) => word.toLowerCase()),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(words, fc.nat(), (known, pick) => {
      const word = known[pick % known.length] ?? '';
      assert.equal(nearest(word, known), word);
    }),
  );
  assert.equal(nearest('x'.repeat(1_000_000), ['mode']), 'mode');
});
