import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RateConfig } from '../config/limits.ts';
import { Limits } from './limits.ts';

test('those that used most of a limit are kept first, whatever it counts [ASI-02]', () => {
  const rate: RateConfig = {
    per: 'caller',
    calls: null,
    bytes: null,
    cost: 100,
    windowMs: 86_400_000,
    exceeded: 'refuse',
  };
  const limits = new Limits([rate], () => 0);
  for (const [agent, cost] of [
    ['little', 1],
    ['much', 90],
    ['some', 20],
  ] as const)
    limits.take({ agent, session: 's', server: 'main', tool: null }, { calls: 1, bytes: 0, cost });
  assert.deepEqual(
    limits.present(2)[0]?.used.map(({ key }) => key),
    ['much', 'some'],
  );
});
