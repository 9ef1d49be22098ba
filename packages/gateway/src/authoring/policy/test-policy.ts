import type { Config } from '../../config/types.ts';
import type { Decision, Effect } from '../../policy/types.ts';
import { type Coverage, coverage, runTest, type TestResult } from './run-tests.ts';
import { readPolicyTests } from './test-files.ts';
import { openVocabulary, withBundle } from './workshop.ts';

/** What the tests of a bundle found. */
export interface PolicyTestReport {
  bundleHash: string;
  /** In the order of the files; empty where there are none, or none of the wanted name. */
  tests: TestReport[];
  /** How many of the tests did not pass. */
  failed: number;
  coverage: {
    covered: number;
    policies: { id: string; where: string; effect: 'permit' | 'forbid'; covered: boolean }[];
  };
}

export interface TestReport {
  name: string;
  /** `tests/<file>:<line>`. */
  where: string;
  passed: boolean;
  /** `policies` is null where the test does not say which. */
  expected: { effect: Effect; policies: readonly string[] | null; advice: Readonly<Record<string, string>> };
  got: { effect: Effect; policies: readonly string[]; advice: Decision['advice']; error: string | null };
  /** What is not as expected. */
  differs: TestResult['differs'];
}

/**
 * Runs the tests of the configured bundle against the genuine engine.
 *
 * @param filter only tests whose name holds this text; null: all
 * @throws GatewayError POLICY_INVALID or CATALOG_INVALID
 */
export async function testPolicy(config: Config, filter: string | null): Promise<PolicyTestReport> {
  const vocabulary = await openVocabulary(config);
  return withBundle(config.policy.path, vocabulary, async (piece) => {
    const { tests } = await readPolicyTests(config.policy.path, piece.bundle, vocabulary);
    const wanted = filter === null ? tests : tests.filter(({ name }) => name.includes(filter));
    const results = wanted.map((test) => runTest(piece, test));
    return {
      bundleHash: piece.bundle.hash,
      tests: results.map(testReport),
      failed: results.filter(({ differs }) => differs.length > 0).length,
      coverage: coverageReport(coverage(piece, results)),
    };
  });
}

function testReport({ test, got, differs }: TestResult): TestReport {
  const { effect, policyIds, advice, error } = got;
  return {
    name: test.name,
    where: test.where,
    passed: differs.length === 0,
    expected: test.expected,
    got: { effect, policies: policyIds, advice, error },
    differs,
  };
}

function coverageReport(policies: readonly Coverage[]): PolicyTestReport['coverage'] {
  return {
    covered: policies.filter(({ covered }) => covered).length,
    policies: policies.map(({ policy: { id, path, line, effect }, covered }) => {
      return { id, where: `${path}:${line}`, effect, covered };
    }),
  };
}
