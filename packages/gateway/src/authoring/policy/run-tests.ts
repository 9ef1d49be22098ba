import type { BundlePolicy } from '../../policy/parse.ts';
import type { Decision } from '../../policy/types.ts';
import type { PolicyTest } from './test-files.ts';
import { decided, type Workpiece } from './workshop.ts';

export interface TestResult {
  test: PolicyTest;
  got: Decision;
  /** What of the expectation does not hold; empty: the test passed. */
  differs: readonly ('effect' | 'policies' | 'advice')[];
}

/** Whether some test made the policy determine a decision: a permit an allow, a forbid a denial. */
export interface Coverage {
  policy: BundlePolicy;
  covered: boolean;
}

export function runTest(piece: Workpiece, test: PolicyTest): TestResult {
  const got = decided(piece.engine, test.input);
  const { effect, policies, advice } = test.expected;
  const differs: TestResult['differs'][number][] = [];
  if (got.effect !== effect) differs.push('effect');
  if (policies !== null && JSON.stringify(policies) !== JSON.stringify(got.policyIds.toSorted())) {
    differs.push('policies');
  }
  const lacking = Object.entries(advice).some(
    ([key, words]) => !Object.hasOwn(got.advice, key) || got.advice[key] !== words,
  );
  if (lacking) differs.push('advice');
  return { test, got, differs };
}

/** A policy that could not be evaluated decided nothing, although it is named. */
export function coverage({ bundle }: Workpiece, results: readonly TestResult[]): Coverage[] {
  const deciding = new Set(results.filter(({ got }) => got.error === null).flatMap(({ got }) => got.policyIds));
  return bundle.policies.map((policy) => ({ policy, covered: deciding.has(policy.id) }));
}
