import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BaselineError, judge, lost, parseBaseline } from './baseline.ts';
import { report } from './report.ts';
import type { LegResult } from './results.ts';

const LEGS = [
  { name: 'server direct' },
  { name: 'server gateway' },
  { name: 'older', revisions: ['2025-11-25'] },
] as const;

/** A run of the gateway's leg: scenarios with the checks that failed. */
function run(scenarios: Record<string, string[]>, leg = 'server gateway'): LegResult {
  return {
    leg,
    revision: '2026-07-28',
    scenarios: Object.entries(scenarios).map(([scenario, failed]) => ({
      scenario,
      required: true,
      failed: failed.map((check) => ({ check, message: `${check} went wrong` })),
    })),
  };
}

/** An entry as it stands in the file. */
function entry(scenario: string, more = ''): string {
  return `
- scenario: ${scenario}
  legs: [server gateway]
  revisions: [2026-07-28]
  reason: It is known and has its reason.
  ${more}`;
}

function expecting(...entries: string[]) {
  return parseBaseline(entries.join('\n'), LEGS);
}

test('an entry stands for each of its legs and revisions', () => {
  const both = `
- scenario: caching
  legs: [server direct, server gateway]
  revisions: [2025-11-25, 2026-07-28]
  reason: It is known and has its reason.
`;
  const places = parseBaseline(both, LEGS).map(({ leg, revision }) => `${leg} ${revision}`);
  assert.deepEqual(places, [
    'server direct 2025-11-25',
    'server direct 2026-07-28',
    'server gateway 2025-11-25',
    'server gateway 2026-07-28',
  ]);
});

test('an entry stands for each of its scenarios, and each of them can be stale by itself', () => {
  const known = expecting(entry('[ping, caching]'));
  const { held, stale } = judge(run({ ping: ['pong'], caching: [] }), known);
  assert.deepEqual(
    [held.map(({ scenario }) => scenario), stale.map(({ scenario }) => scenario)],
    [['ping'], ['caching']],
  );
  assert.throws(() => expecting(entry('[ping, caching]'), entry('caching')), BaselineError);
});

test('an empty baseline expects nothing to fail', () => {
  assert.deepEqual(parseBaseline('', LEGS), []);
  assert.deepEqual(parseBaseline('# nothing is known to fail', LEGS), []);
});

test('a baseline that does not say what it excuses and why is refused', () => {
  const wrong = {
    'no reason': entry('ping').replace(/reason: .*/, ''),
    'a reason that says nothing': entry('ping').replace(/reason: .*/, 'reason: flaky'),
    'an unknown leg': entry('ping').replace('[server gateway]', '[server gatway]'),
    'a revision that the leg is not run at': entry('ping').replace('[server gateway]', '[older]'),
    'an unknown revision': entry('ping').replace('2026-07-28', '2024-11-05'),
    'no scenario': entry('[]'),
    'no leg': entry('ping').replace('[server gateway]', '[]'),
    'a member that nobody reads': entry('ping', 'checks: [one]'),
    'not a list': 'ping: it fails',
    'not YAML': 'scenario: [',
  };
  for (const [what, source] of Object.entries(wrong)) {
    assert.throws(() => parseBaseline(source, LEGS), BaselineError, what);
  }
});

test('two entries for the same failure are refused, for different checks of a scenario they are not', () => {
  const [whole, one, two] = [entry('ping'), entry('ping', 'check: one'), entry('ping', 'check: two')];
  for (const twice of [
    [whole, whole],
    [whole, one],
    [one, two, one],
    [one, two, whole],
  ]) {
    assert.throws(() => expecting(...twice), BaselineError);
  }
  assert.equal(expecting(one, two, entry('caching')).length, 3);
});

test('a failure that is not listed is unexpected', () => {
  const { unexpected, held, stale } = judge(run({ ping: [], caching: ['ttl'] }), []);
  assert.deepEqual(unexpected, [{ scenario: 'caching', check: 'ttl', message: 'ttl went wrong' }]);
  assert.deepEqual([held, stale], [[], []]);
});

test('an entry of a scenario excuses whatever fails in it, and no other scenario', () => {
  const { unexpected, held } = judge(run({ caching: ['ttl', 'scope'], ping: ['pong'] }), expecting(entry('caching')));
  assert.deepEqual(
    unexpected.map(({ check }) => check),
    ['pong'],
  );
  assert.deepEqual(
    held.map(({ scenario }) => scenario),
    ['caching'],
  );
});

test('an entry of a check excuses that check alone', () => {
  const { unexpected, held } = judge(run({ caching: ['ttl', 'scope'] }), expecting(entry('caching', 'check: ttl')));
  assert.deepEqual(
    unexpected.map(({ check }) => check),
    ['scope'],
  );
  assert.equal(held.length, 1);
});

test('an entry excuses nothing in another leg or at another revision', () => {
  const known = expecting(entry('caching'));
  const elsewhere = run({ caching: ['ttl'] }, 'server direct');
  const before: LegResult = { ...run({ caching: ['ttl'] }), revision: '2025-11-25' };
  for (const result of [elsewhere, before]) {
    const { unexpected, held, stale } = judge(result, known);
    assert.equal(unexpected.length, 1);
    assert.deepEqual([held, stale], [[], []]);
  }
});

test('an entry that did not fail is stale, of a scenario that passes, of a check that passes, and of one that nobody ran', () => {
  const known = expecting(entry('ping'), entry('caching', 'check: scope'), entry('no-such-scenario'));
  const { unexpected, stale } = judge(run({ ping: [], caching: ['ttl'] }), known);
  assert.deepEqual(
    stale.map(({ scenario }) => scenario),
    ['ping', 'caching', 'no-such-scenario'],
  );
  assert.equal(unexpected.length, 1);
});

test('what passes in a leg and not in the one that mirrors it is lost, listed or not', () => {
  const direct = run({ ping: [], caching: ['ttl'], prompts: [] }, 'server direct');
  assert.deepEqual(lost(run({ ping: ['pong'], caching: ['ttl'], prompts: [] }), direct), ['ping']);
});

test('what fails for one reason is reported together', () => {
  const result = run({ ping: ['pong'], caching: ['ttl', 'scope'], prompts: ['messages'] });
  const other = entry('prompts').replace('and has its reason', 'for another one');
  const text = report([{ result, judgement: judge(result, expecting(entry('[ping, caching]'), other)), lost: [] }]);
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('expected')),
    [
      'expected    server gateway  2026-07-28  ping, caching  any check',
      'expected    server gateway  2026-07-28  prompts  any check',
    ],
  );
});

test('the report ends with a line for each leg', () => {
  const known = expecting(entry('caching'), entry('ping'));
  const direct = run({ ping: [], caching: [] }, 'server direct');
  const gateway = run({ ping: [], caching: ['ttl'], prompts: ['messages'] });
  const optional = { ...direct, scenarios: [...direct.scenarios, { scenario: 'tasks', required: false, failed: [] }] };
  const lines = report([
    { result: optional, judgement: judge(direct, known), lost: [] },
    { result: gateway, judgement: judge(gateway, known), lost: lost(gateway, direct) },
  ]).split('\n');
  assert.deepEqual(lines.slice(-2), [
    'server direct   2026-07-28  2/2  optional 1/1',
    'server gateway  2026-07-28  1/3  1 expected  1 unexpected  1 stale  lost: caching',
  ]);
  assert.deepEqual(
    lines.slice(0, -2).filter((line) => !line.startsWith(' ')),
    [
      'expected    server gateway  2026-07-28  caching  any check',
      'UNEXPECTED  server gateway  2026-07-28  prompts  messages',
      'STALE       server gateway  2026-07-28  ping  any check',
    ],
  );
});
