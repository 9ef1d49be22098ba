import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SseParser } from './sse.ts';
import { formatEvent, KEEP_ALIVE } from './sse-events.ts';

/** The data of the events that a parser of the standard reads. */
function read(text: string): string[] {
  const events: string[] = [];
  new SseParser(1_000_000, ({ type, data }) => {
    assert.equal(type, 'message');
    events.push(data.toString());
  }).push(Buffer.from(text));
  return events;
}

test('an event is written with its id, the time to wait, and its data', () => {
  assert.equal(formatEvent({ data: '{"a":1}' }), 'data: {"a":1}\n\n');
  assert.equal(formatEvent({ id: 'x-0', retryMs: 1000, data: '' }), 'retry: 1000\nid: x-0\ndata: \n\n');
});

test('no text can become a field, an event or a comment of its own [ATK-15]', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '\n', '\r', ':', ' ', 'data: ', 'id: x', 'event: y', '\u2028', '{'),
  });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (all) => {
      const sent = all.map((data) => formatEvent({ id: 'x-1', data }) + KEEP_ALIVE).join('');
      const expected = all.map((data) => data.replace(/\r\n?/g, '\n')).filter((data) => data !== '');
      assert.deepEqual(
        read(sent).filter((data) => data !== ''),
        expected,
      );
    }),
    { numRuns: 300 },
  );
});
