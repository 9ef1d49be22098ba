import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StopConfig } from '../config/stop.ts';
import type { Draft } from './blocks.ts';
import { type Ended, Thresholds } from './thresholds.ts';

const MINUTE = 60_000;
const OFF: StopConfig = { denyRate: null, injections: null, drift: null, scope: 'agent' };

/** Thresholds with a clock of their own, and what they stopped. */
function watched(config: Partial<StopConfig>) {
  const tripped: Draft[] = [];
  const time = { ms: 0 };
  const blocks = { trip: (draft: Draft) => void tripped.push(draft) };
  return { tripped, time, thresholds: new Thresholds({ ...OFF, ...config }, blocks, () => time.ms) };
}

const ended = (decision: string, changes: Partial<Ended> = {}): Ended => ({
  agent: 'a',
  session: 's',
  decision,
  injection: false,
  ...changes,
});

/** Whether what counts is a denial. */
const DENIED: Record<string, boolean> = { allow: false, redact: false, deny: true, advisory_deny: true };

const outcome = fc.record({
  decision: fc.constantFrom('allow', 'redact', 'deny', 'advisory_deny', 'step_up', 'defer', 'fault', 'n/a'),
  agent: fc.constantFrom('a', 'b'),
  injection: fc.boolean(),
  /** In steps of the window, so that the plain model has no rounding. */
  later: fc.constantFrom(0, 0, 0, 1, 20, 70),
});

test('each rule stops at exactly the call that crosses it, whatever came before [D-49] [W-18]', () => {
  const denyRate = { thousandths: 600, calls: 4, windowMs: MINUTE };
  const injections = { count: 3, windowMs: MINUTE };
  fc.assert(
    fc.property(fc.array(outcome, { maxLength: 60 }), (outcomes) => {
      const { tripped, time, thresholds } = watched({ denyRate, injections });
      let seen: { agent: string; at: number; denied: boolean | null; injection: boolean }[] = [];
      for (const { later, ...call } of outcomes) {
        time.ms += later * 1000;
        thresholds.ended(ended(call.decision, call));
        const counted = DENIED[call.decision] ?? null;
        seen.push({ agent: call.agent, at: time.ms, denied: counted, injection: call.injection });
        const recent = seen.filter(({ agent, at }) => agent === call.agent && at >= time.ms - MINUTE);
        const rated = counted === null ? [] : recent.filter(({ denied }) => denied !== null);
        const denied = rated.filter((each) => each.denied === true).length;
        const expected: string[] = [];
        if (rated.length >= 4 && denied * 10 >= rated.length * 6) expected.push('deny_rate');
        // What one rule stopped begins anew for the other.
        const injected =
          expected.length > 0 ? Number(call.injection) : recent.filter(({ injection }) => injection).length;
        if (call.injection && injected >= 3) expected.push('injections');
        assert.deepEqual(
          tripped.map(({ rule, name }) => [rule, name]),
          expected.map((rule) => [rule, call.agent]),
        );
        if (expected.includes('injections')) seen = seen.filter(({ agent }) => agent !== call.agent);
        else if (expected.length > 0)
          seen = seen.flatMap((each) =>
            each.agent !== call.agent
              ? [each]
              : each === seen.at(-1) && call.injection
                ? [{ ...each, denied: null }]
                : [],
          );
        tripped.length = 0;
      }
    }),
    { numRuns: 100 },
  );
});

test('what is stopped is the agent, or the one session of it; a deny rate says how far back it looked', () => {
  const denyRate = { thousandths: 500, calls: 1, windowMs: 90_500 };
  for (const [scope, name] of [
    ['agent', 'a'],
    ['session', 's'],
  ] as const) {
    const { tripped, thresholds } = watched({ denyRate, scope });
    thresholds.ended(ended('deny'));
    assert.deepEqual(tripped, [
      { scope, name, rule: 'deny_rate', reason: '1 of 1 calls were denied', windowSeconds: 91 },
    ]);
  }
});

test('a server is stopped at the departure that is one too many, each server for itself', () => {
  const { tripped, thresholds } = watched({ drift: { count: 2 } });
  for (const server of ['x', 'y', 'x']) thresholds.drifted(server);
  assert.deepEqual(
    tripped.map(({ scope, name, rule }) => [scope, name, rule]),
    [['server', 'x', 'drift']],
  );
});
