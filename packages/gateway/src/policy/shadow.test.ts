import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogOf, decisionOn, toolRecord } from '../../../../tests/support/policy.ts';
import { Shadow } from './shadow.ts';
import type { Decision, PolicyEngine } from './types.ts';

const CATALOG = catalogOf(toolRecord('read_file'));
const ALLOWED: Decision = {
  effect: 'allow',
  policyIds: ['old'],
  advice: {},
  redactions: [],
  escalations: [],
  error: null,
  unfit: false,
};
const input = (callId: string) => ({ ...decisionOn(CATALOG, 'read_file'), callId });

/** A shadow over an engine that decides by this function, in turns and at a time that the test determines. */
function shadowOf(decide: PolicyEngine['decide']) {
  const turns: (() => void)[] = [];
  const time = { ms: 0 };
  const engine = {
    bundleHash: '',
    version: '',
    request: 'native',
    decide,
    couldAllow: () => true,
    close() {},
  } as const;
  const shadow = new Shadow(engine, { soon: (task) => turns.push(task), now: () => time.ms });
  const settle = (): void => {
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) turn();
  };
  return { shadow, time, turns, settle };
}

test('nothing is evaluated in the turn of a call, and what waits is bounded: the rest is counted', async () => {
  let decided = 0;
  const { shadow, settle } = shadowOf(() => {
    decided += 1;
    return ALLOWED;
  });
  for (let call = 0; call < 300; call += 1) shadow.offer(input(String(call)), ALLOWED);
  assert.equal(decided, 0);
  const counts = shadow.counts();
  settle();
  assert.deepEqual(await counts, { compared: 256, differing: 0, dropped: 44, failed: 0, halted: false });
});

test('a bundle that throws is counted, whatever it throws', async () => {
  const { shadow, settle } = shadowOf(() => {
    throw new TypeError('not a GatewayError');
  });
  shadow.offer(input('1'), ALLOWED);
  settle();
  assert.deepEqual(await shadow.counts(), { compared: 0, differing: 0, dropped: 0, failed: 1, halted: false });
});

test('an evaluation that holds the thread is the last one', async () => {
  const { shadow, time, settle } = shadowOf(() => {
    time.ms += 1_001;
    return ALLOWED;
  });
  for (const call of ['1', '2', '3']) shadow.offer(input(call), ALLOWED);
  const waiting = shadow.counts();
  settle();
  shadow.offer(input('4'), ALLOWED);
  assert.deepEqual(await waiting, { compared: 1, differing: 0, dropped: 3, failed: 0, halted: true });
});

test('alike differences are one row with the first call, the most frequent first, and the rows are bounded', async () => {
  const { shadow, settle } = shadowOf((asked) => ({
    ...ALLOWED,
    effect: 'deny',
    policyIds: [asked.workflow ?? 'none'],
  }));
  for (let call = 0; call < 250; call += 1) {
    shadow.offer({ ...input(String(call)), workflow: String(call) }, ALLOWED);
    settle();
  }
  shadow.offer({ ...input('again'), workflow: '7' }, ALLOWED);
  settle();
  const { differing } = await shadow.counts();
  const rows = shadow.differences();
  assert.deepEqual([differing, rows.length], [251, 200]);
  const common = {
    action: 'call_tool',
    name: 'read_file',
    stage: 'ingress',
    from: 'allow',
    to: 'deny',
    before: ['old'],
  };
  assert.deepEqual(rows[0], { ...common, after: ['7'], count: 2, firstCallId: '7' });
});

test('a bundle that would remove something else from an answer decides otherwise', () => {
  const redacted = (...texts: string[]): Decision => {
    const redactions = texts.map((text) => ({ text, kind: 'class', label: text.slice(6) }) as const);
    return { ...ALLOWED, effect: 'redact', redactions };
  };
  const { shadow, settle } = shadowOf(() => redacted('class:pii'));
  shadow.offer(input('same'), redacted('class:pii'));
  shadow.offer(input('less'), redacted('class:mnpi', 'class:pii'));
  settle();
  const [difference, ...more] = shadow.differences();
  assert.deepEqual(
    [difference?.from, difference?.to, difference?.firstCallId, more],
    ['redact class:mnpi, class:pii', 'redact class:pii', 'less', []],
  );
});
