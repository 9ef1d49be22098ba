import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SseError, SseParser } from './sse.ts';

function parse(bytes: Buffer | string, cuts: number[] = [], limit = 1000): [string, string][] {
  const input = Buffer.from(bytes);
  const events: [string, string][] = [];
  const parser = new SseParser(limit, ({ type, data }) => events.push([type, data.toString('utf8')]));
  let from = 0;
  for (const cut of [...cuts.map((at) => at % (input.length + 1)).sort((a, b) => a - b), input.length]) {
    parser.push(input.subarray(from, cut));
    from = cut;
  }
  return events;
}

test('lines end at CR, LF and CRLF, fields and events follow the standard [ATK-15]', () => {
  assert.deepEqual(parse('data: a\n\ndata:b\r\rdata: c\r\n\r\n'), [
    ['message', 'a'],
    ['message', 'b'],
    ['message', 'c'],
  ]);
  assert.deepEqual(parse('\ufeffdata: first\n\n\ufeffdata: second\n\n'), [['message', 'first']]);
  assert.deepEqual(parse(': comment\nevent: ping\nid: 1\nretry: 5\ndata: x\ndata:  y\n\ndata\n\n'), [
    ['ping', 'x\n y'],
    ['message', ''],
  ]);
  assert.deepEqual(parse('event: lost\n\ndata: kept\n\ndata: unfinished\n'), [['message', 'kept']]);
  assert.deepEqual(parse('datax: no\nDATA: no\n data: no\ndata : no\n\n'), []);
  assert.deepEqual(parse('id: a\0b\ndata: still one\n\n'), [['message', 'still one']]);
});

test('the id counts once its event has ended, with or without data, and retry at once [ATK-15]', () => {
  const after = (text: string) => {
    const parser = new SseParser(1000, () => {});
    parser.push(Buffer.from(text));
    return [parser.lastEventId, parser.retryMs];
  };
  assert.deepEqual(after('id: 1\nretry: 2000\ndata:\n\n'), ['1', 2000]);
  assert.deepEqual(after('id: 1\n\n'), ['1', null]);
  assert.deepEqual(after('id: 1\n\nid: 2\ndata: unfinished\n'), ['1', null]);
  assert.deepEqual(after('id: 1\n\ndata: x\n\n'), ['1', null]);
  assert.deepEqual(after('id: 1\n\nid\n\n'), ['', null]);
  assert.deepEqual(after('id: 1\n\nid: a\0b\n\n'), ['1', null]);
  assert.deepEqual(after('id:  é \n\n'), [' é ', null]);
  for (const retry of ['', ' 5', '5 ', '-1', '1.5', '0x5', '5s', '٣']) {
    assert.deepEqual(after(`retry: ${retry}\n`), ['', null], retry);
  }
  assert.deepEqual(after('retry: 1\nretry: 007\nretry: no\n'), ['', 7]);
  // Longer than a timer can wait would be no wait at all.
  assert.deepEqual(after(`retry: ${'9'.repeat(400)}\n`), ['', 2 ** 31 - 1]);
});

test('a line break inside data is only ever a line break: it cannot smuggle a second event [ATK-15]', () => {
  const payload = JSON.stringify({ text: 'x\n\ndata: {"id":"forged"}\n\n' });
  assert.deepEqual(parse(`data: ${payload}\n\n`), [['message', payload]]);
});

test('how the bytes are cut into chunks makes no difference', () => {
  const pieces = fc.constantFrom('data: é', 'data:', '\r', '\n', '\r\n', ':c', 'event: e', '\ufeff', 'x', ' ');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), fc.array(fc.nat(), { maxLength: 10 }), (parts, cuts) => {
      const text = parts.join('');
      assert.deepEqual(parse(text, cuts), parse(text));
    }),
  );
});

test('any bytes give events or an SseError, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        parse(Buffer.from(bytes), [], 50);
      } catch (error) {
        assert.ok(error instanceof SseError);
      }
    }),
  );
});

test('an event up to the bound passes and one byte more does not, in one line or many [D-06]', () => {
  const big = 'x'.repeat(1000);
  assert.deepEqual(parse(`data: ${big}\n\n`), [['message', big]]);
  const tooLarge = (error: unknown) => error instanceof SseError && error.reason === 'too_large';
  assert.throws(() => parse(`data: ${big}x\n\n`), tooLarge);
  assert.throws(() => parse(`data: ${'x'.repeat(499)}\ndata: ${'x'.repeat(501)}\n\n`), tooLarge);
  assert.throws(() => parse('x'.repeat(100_000)), tooLarge);
});

test('bytes that are not UTF-8 are refused, not repaired', () => {
  const encoding = (error: unknown) => error instanceof SseError && error.reason === 'encoding';
  assert.throws(() => parse(Buffer.from([...Buffer.from('data: '), 0xff, 0x0a, 0x0a])), encoding);
});
