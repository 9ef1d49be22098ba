import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineCutter } from './lines.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (line: Uint8Array): string => new TextDecoder().decode(line);

test('lines are the same wherever the pieces were cut, and whoever gave them fills them anew', () => {
  const pieces = fc.array(fc.constantFrom('', 'a', 'bc', '\n', '\n\n', 'd\ne', 'é\nf', '\nlonger than one\n'), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(pieces, (given) => {
      const cutter = new LineCutter(1000);
      const lines = given.flatMap((piece) => {
        const chunk = bytes(piece);
        const cut = [...cutter.cut(chunk)].map(text);
        chunk.fill(0x58);
        return cut;
      });
      const expected = given.join('').split('\n');
      const rest = expected.pop();
      assert.deepEqual(lines, expected);
      assert.equal(cutter.isEmpty, rest === '');
    }),
  );
});

test('a line that never ends is held up to a bound and not beyond', () => {
  const cutter = new LineCutter(10);
  for (const piece of ['12345', '67890']) assert.deepEqual([...cutter.cut(bytes(piece))], []);
  assert.equal(cutter.isFull, false);
  assert.deepEqual([...cutter.cut(bytes('1'))], []);
  assert.equal(cutter.isFull, true);
});
