import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { AttemptLimit } from './attempts.ts';
import { sourceNetwork } from './source-network.ts';

const address = (i: number): string => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

test('a million addresses take no more memory than a few thousand, and reset nobody’s window [D-06] [AUTHZ-14]', () => {
  const time = new ManualTime();
  const limit = new AttemptLimit(20, time);
  for (let i = 0; i < 21; i += 1) limit.exceeded('192.0.2.1');
  for (let i = 0; i < 1_000_000; i += 1) limit.exceeded(address(i));
  assert.ok(limit.size <= 4097);
  assert.equal(limit.exceeded('192.0.2.1'), true, 'it is still told to wait');
  assert.equal(limit.exceeded('192.0.2.2'), true, 'those that are too many wait together');
  time.advance(60_000);
  assert.equal(limit.exceeded('192.0.2.1'), false);
  assert.equal(limit.exceeded('192.0.2.2'), false);
  assert.ok(limit.size <= 4097);
});

test('a million addresses of one IPv6 network are one source [D-06]', () => {
  const limit = new AttemptLimit(20, new ManualTime());
  for (let i = 0; i < 1_000_000; i += 1)
    limit.exceeded(`2001:db8:1:2:${(i >> 16).toString(16)}::${(i & 65535).toString(16)}`);
  assert.equal(limit.size, 1);
  assert.equal(limit.exceeded('2001:db8:1:2::1'), true);
  assert.equal(limit.exceeded('2001:db8:1:3::1'), false, 'the neighbour is another');
});

test('however an address is written, its source is the same', () => {
  const cases = [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:DB8::', '2001:db8:0:0::/64'],
    ['64:ff9b:0:0:1::192.0.2.1', '64:ff9b:0:0::/64'],
    ['', ''],
  ] as const;
  for (const [given, source] of cases) assert.equal(sourceNetwork(given), source, given);
  const ordinary = fc.ipV6().filter((given) => !/^::ffff:\d+\./i.test(given));
  const normal = (given: string): string => new URL(`http://[${given}]`).hostname.slice(1, -1);
  fc.assert(
    fc.property(ordinary, (given) => assert.equal(sourceNetwork(given), sourceNetwork(normal(given)))),
    { numRuns: 100 },
  );
});
