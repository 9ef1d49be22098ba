import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTimestamp } from './time.ts';

test('times as Python and JavaScript write them are read to the microsecond', () => {
  const at = Date.UTC(2026, 7, 21, 18, 23, 0) * 1000;
  assert.equal(parseTimestamp('2026-08-21T18:23:00+00:00'), at);
  assert.equal(parseTimestamp('2026-08-21T18:23:00.123456+00:00'), at + 123_456);
  assert.equal(parseTimestamp('2026-08-21T18:23:00.5Z'), at + 500_000);
  assert.equal(parseTimestamp('2026-08-21T20:53:00.000001+02:30'), at + 1);
  assert.equal(parseTimestamp('2026-08-21T16:23:00-02:00'), at);
  assert.equal(parseTimestamp('2028-02-29T00:00:00Z'), Date.UTC(2028, 1, 29) * 1000);
});

test('a time without a zone, a date that does not exist, or a far year is no time', () => {
  for (const text of [
    '2026-08-21T18:23:00',
    '2026-08-21 18:23:00Z',
    '2026-8-21T18:23:00Z',
    '2026-08-21T18:23:00.1234567Z',
    '2026-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '1969-12-31T23:59:59Z',
    '2200-01-01T00:00:00Z',
    '2026-01-01T00:00:00Z\n',
    '',
  ]) {
    assert.equal(parseTimestamp(text), null, text);
  }
});

test('every time of the allowed years is read as JavaScript reads it', () => {
  const date = fc.date({ min: new Date('1970-01-01'), max: new Date('2199-12-31'), noInvalidDate: true });
  fc.assert(fc.property(date, (value) => parseTimestamp(value.toISOString()) === value.getTime() * 1000));
});
