import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { converge, TCB_STATUSES, type TcbStatus } from './tcb-status.ts';

const status = (...parts: TcbStatus[]): TcbStatus =>
  converge(parts.map((each) => ({ status: each, advisories: [] }))).status;

test("platform and TDX module, and platform and quoting enclave, converge as Intel's verification rules say", () => {
  // Platform status, then the result when the other part is OutOfDate.
  const outOfDate: [TcbStatus, TcbStatus][] = [
    ['UpToDate', 'OutOfDate'],
    ['SWHardeningNeeded', 'OutOfDate'],
    ['ConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
    ['ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded'],
    ['OutOfDate', 'OutOfDate'],
    ['OutOfDateConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
    ['Revoked', 'Revoked'],
  ];
  for (const [platform, result] of outOfDate) {
    assert.equal(status(platform, 'OutOfDate'), result);
    assert.equal(status(platform, 'UpToDate'), platform);
    assert.equal(status(platform, 'Revoked'), 'Revoked');
  }
});

test('no part makes the whole better than it is, the order of parts does not matter, and nothing is no status', () => {
  const any = fc.constantFrom<TcbStatus>(...TCB_STATUSES, 'NotSupported');
  const order: readonly TcbStatus[] = [...TCB_STATUSES, 'NotSupported'];
  fc.assert(
    fc.property(fc.array(any, { minLength: 1, maxLength: 4 }), (parts) => {
      const whole = order.indexOf(status(...parts));
      assert.ok(parts.every((part) => whole >= order.indexOf(part)));
      assert.equal(order[whole], status(...parts.toReversed()));
    }),
  );
  assert.equal(status(), 'NotSupported');
});

test('advisories of all parts are listed, once', () => {
  const parts = [
    { status: 'OutOfDate' as const, advisories: ['INTEL-SA-2', 'INTEL-SA-1'] },
    { status: 'UpToDate' as const, advisories: ['INTEL-SA-2'] },
  ];
  assert.deepEqual(converge(parts).advisories, ['INTEL-SA-1', 'INTEL-SA-2']);
});
