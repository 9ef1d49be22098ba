import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { readTrace } from './trace-context.ts';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const parent = (traceparent: unknown): boolean => 'traceparent' in readTrace({ traceparent } as JsonObject);
const state = (tracestate: unknown): boolean =>
  'tracestate' in readTrace({ traceparent: PARENT, tracestate } as JsonObject);

test('a trace context that is valid is passed on as it is, and baggage is not [MCP26-42]', () => {
  const meta = { traceparent: PARENT, tracestate: 'congo=t61rcWkgMzE, rojo=00f067aa0ba902b7', baggage: 'user=alice' };
  assert.deepEqual(readTrace(meta), { traceparent: meta.traceparent, tracestate: meta.tracestate });
  assert.deepEqual(readTrace({}), {});
});

test('a parent that the standard does not allow is dropped, with its state [MCP26-42] [ATK-16]', () => {
  assert.ok(parent(PARENT));
  assert.ok(parent(PARENT.replace(/^00/, 'cc')));
  const bad = [
    '',
    `${PARENT}\r\nX-Injected: 1`,
    `${PARENT}\n`,
    ` ${PARENT}`,
    `${PARENT}-extra`,
    PARENT.toUpperCase(),
    PARENT.replace(/^00/, 'ff'),
    PARENT.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
    PARENT.replace('b7ad6b7169203331', '0'.repeat(16)),
    PARENT.replace('-01', '-1'),
    PARENT.replace('0af', '0ag'),
    1,
    null,
    [PARENT],
  ];
  for (const traceparent of bad) {
    assert.deepEqual(readTrace({ traceparent, tracestate: 'a=b' } as JsonObject), {}, String(traceparent));
  }
});

test('a state that the standard does not allow is dropped alone [MCP26-42] [ATK-16]', () => {
  const members = (count: number): string => Array.from({ length: count }, (_, index) => `k${index}=v`).join();
  for (const good of ['a=b', 'a=b,c=d', ' a=b ,\tc=d', 'a=b,,c=d', '0tenant@sys=x y', 'a=!~', members(32)]) {
    assert.ok(state(good), good);
  }
  const bad = [
    '',
    ',',
    'a',
    '=b',
    'a=',
    'A=b',
    'a=b,a=c',
    'a=b=c',
    'a=b\r\n',
    'a=b\0',
    'a= ',
    'a=ü',
    `${'k'.repeat(257)}=v`,
  ];
  for (const each of [...bad, members(33), `a=${'x'.repeat(257)}`, `a=b,${' '.repeat(5000)}`, 1, null, {}]) {
    assert.equal(state(each), false, String(each).slice(0, 40));
  }
});

test('whatever comes in, what comes out is printable, bounded, and valid again [MCP26-42]', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'z', '0', '_', '@', '-', 'A', '=') });
  const value = fc.string({ unit: fc.constantFrom('a', ' ', '=', ',', '\t', '\n', '\u0000', 'é', '~') });
  const member = fc.tuple(key, value).map(([name, text]) => `${name}=${text}`);
  const states = fc.oneof(
    fc.array(member, { maxLength: 40 }).map((all) => all.join()),
    fc.string(),
    fc.jsonValue(),
  );
  const parents = fc.oneof(fc.constant(PARENT), fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(parents, states, (traceparent, tracestate) => {
      const meta = parseJson(JSON.stringify({ traceparent, tracestate })) as JsonObject;
      const trace = readTrace(meta);
      for (const text of Object.values(trace)) assert.match(String(text), /^[\t -~]{1,4096}$/);
      assert.deepEqual(readTrace(trace), trace);
    }),
    { numRuns: 500 },
  );
});
