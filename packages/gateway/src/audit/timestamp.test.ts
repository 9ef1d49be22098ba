import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { formatTimestamp, parseTimestamp } from './timestamp.ts';

test('a time has microseconds and an offset, and no fraction when it is zero', () => {
  assert.equal(formatTimestamp(1_787_336_580_123_456), '2026-08-21T18:23:00.123456+00:00');
  assert.equal(formatTimestamp(1_787_336_580_000_001), '2026-08-21T18:23:00.000001+00:00');
  assert.equal(formatTimestamp(1_787_336_580_000_000), '2026-08-21T18:23:00+00:00');
});

test('every time that is written is read back, and nothing else is', () => {
  const micros = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(micros, (time) => parseTimestamp(formatTimestamp(time)) === time));
  fc.assert(
    fc.property(fc.string(), (text) => {
      const read = parseTimestamp(text);
      return read === null || formatTimestamp(read) === text;
    }),
  );
  const refused = ['', '2026-08-21T18:23:00Z', '2026-02-30T00:00:00+00:00', '2026-08-21T18:23:00.000000+00:00'];
  for (const text of refused) assert.equal(parseTimestamp(text), null, text);
});
