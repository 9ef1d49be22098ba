import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalised } from '../inspection/normal/normalised.ts';
import { builtInRules } from '../inspection/rules/load.ts';
import type { Notice } from '../mcp/types.ts';
import type { PathDeps } from './deps.ts';
import { InspectedCall } from './inspected.ts';
import { Notices } from './notices.ts';
import type { CallRecord } from './record.ts';
import type { Side } from './side.ts';

/** Notices of a call whose plan is not known, so that all are looked at and none is passed on. */
function looking() {
  const looked = new Set<string>();
  const scan = (text: string): [] => {
    looked.add(text.slice(-1));
    return [];
  };
  const how = {
    normalised,
    encodedRuns: () => [],
    scans: [scan],
    rawScans: [],
  };
  const deps = { inspection: { how: () => how, turns: { nowMs: () => 0, turn: () => Promise.resolve() } } };
  const record = {
    name: 'work',
    session: { authority: { inspection: builtInRules() }, caller: { subject: 'someone' } },
    plan: null,
    effective: null,
    before: { class: 'public', rank: 0 },
    notices: { relayed: 0, withheld: 0 },
    inspected: new InspectedCall(true),
  };
  const side = { signal: new AbortController().signal } as unknown as Side;
  const notices = new Notices(deps as unknown as PathDeps, record as unknown as CallRecord, side, () =>
    Promise.resolve(),
  );
  return { notices, record, looked };
}

const log = (data: string): Notice => ({ kind: 'log', level: 'info', logger: null, data });

test('what waits to be looked at is bounded: beyond it, what a server says is dropped unseen and counted', async () => {
  const { notices, record, looked } = looking();
  for (const letter of 'abcdef') notices.take(log(letter.repeat(1_000_000)));
  await notices.end();
  assert.deepEqual([...looked].sort(), ['a', 'b', 'c', 'd']);
  assert.equal(record.notices.withheld, 6);
});

test('a call has so many notices, and what is said after them is dropped unseen and counted', async () => {
  const { notices, record, looked } = looking();
  for (let said = 0; said < 10_000; said += 1)
    notices.take({ kind: 'progress', progress: said, total: null, message: null });
  notices.take(log('unseen z'));
  await notices.end();
  assert.equal(looked.has('z'), false);
  assert.equal(record.notices.withheld, 10_001);
});
