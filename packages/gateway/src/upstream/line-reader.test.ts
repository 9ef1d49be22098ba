import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from './line-reader.ts';

function read(chunks: Buffer[], limit: number): { lines: string[]; oversize: number } {
  const seen = { lines: [] as string[], oversize: 0 };
  const reader = new LineReader(limit, {
    line: (line) => seen.lines.push(line.toString()),
    oversize: () => {
      seen.oversize += 1;
    },
  });
  for (const chunk of chunks) reader.push(chunk);
  return seen;
}

test('lines come whole however the bytes are cut, and a line that is too long never as a line', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(), { maxLength: 8 }), (lines, cuts) => {
      const input = Buffer.from(lines.map((each) => `${each}\n`).join(''));
      const at = [0, ...cuts.map((cut) => cut % (input.length + 1)).sort((a, b) => a - b), input.length];
      const chunks = at.slice(1).map((end, i) => input.subarray(at[i], end));
      assert.deepEqual(
        read(chunks, 8).lines,
        lines.filter((each) => each.length <= 8),
      );
    }),
  );
});

test('of an endless line no more than the bound is held [D-06]', () => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const parts: number[] = [];
  const reader = new LineReader(100_000, { line: () => assert.fail(), oversize: (part) => parts.push(part.length) });
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 2000; i += 1) reader.push(chunk);
  assert.ok(process.memoryUsage().arrayBuffers - before < 16 << 20);
  reader.push(Buffer.from('\n'));
  assert.deepEqual(parts, [65_536, 1024]);
});
