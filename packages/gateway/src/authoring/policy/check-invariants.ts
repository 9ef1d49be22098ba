import type { JsonObject } from '@cmcp/evidence';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { type DecisionInput, EFFECTS, type Effect, type PolicyEngine } from '../../policy/types.ts';
import { Seeded } from './generate/choose.ts';
import { Ideas } from './generate/ideas.ts';
import { type Described, Requests } from './generate/requests.ts';
import type { Invariant } from './invariant.ts';
import type { Vocabulary } from './scenario.ts';
import { yamlItem } from './scenario-yaml.ts';
import { smallest } from './smallest.ts';
import { readPolicyTests } from './test-files.ts';
import { decided, isReached, openVocabulary, readOrNull, withBundle } from './workshop.ts';

/** What random requests found. That they found nothing proves nothing. */
export interface InvariantReport {
  bundleHash: string;
  seed: number;
  /** How many requests were made: none where the catalog makes none possible. */
  runs: number;
  invariants: InvariantResult[];
}

export interface InvariantResult {
  name: string;
  where: string;
  /** How many of the requests it concerns. */
  checked: number;
  violation: Violation | null;
}

/** A request that is decided as it never should be, as small as it could be made. */
export interface Violation {
  effect: Effect;
  policies: string[];
  scenario: JsonObject;
  /** As a test that fails for now. */
  test: string;
}

/**
 * Decides random requests under the configured bundle, and holds the decisions against the invariants beside its tests.
 *
 * @throws GatewayError POLICY_INVALID or CATALOG_INVALID
 */
export async function checkInvariants(
  config: Config,
  { seed, runs }: { seed: number; runs: number },
): Promise<InvariantReport> {
  const vocabulary = await openVocabulary(config);
  return withBundle(config.policy.path, vocabulary, async ({ bundle, engine }) => {
    const { invariants } = await readPolicyTests(config.policy.path, bundle, vocabulary);
    const ideas = new Ideas().learn(bundle.policies);
    for (const { when } of invariants) ideas.learnMembers(when);
    const requests = new Requests(vocabulary, { choose: new Seeded(seed), ideas });
    const checks = invariants.map((invariant) => new Check(invariant, engine, vocabulary));
    let made = 0;
    for (; made < runs && checks.length > 0; made += 1) {
      const request = requests.next();
      if (request === null) break;
      for (const check of checks) check.hold(request);
    }
    return { bundleHash: bundle.hash, seed, runs: made, invariants: checks.map((check) => check.result) };
  });
}

/** One invariant, held against one request after the other until one violates it. */
class Check {
  readonly #invariant: Invariant;
  readonly #engine: PolicyEngine;
  readonly #vocabulary: Vocabulary;
  #checked = 0;
  #violation: Violation | null = null;

  constructor(invariant: Invariant, engine: PolicyEngine, vocabulary: Vocabulary) {
    this.#invariant = invariant;
    this.#engine = engine;
    this.#vocabulary = vocabulary;
  }

  get result(): InvariantResult {
    const { name, where } = this.#invariant;
    return { name, where, checked: this.#checked, violation: this.#violation };
  }

  hold({ scenario, input }: Described): void {
    if (this.#violation !== null || !this.#invariant.concerns(input) || !isReached(this.#engine, input)) return;
    this.#checked += 1;
    if (!this.#violates(input)) return;
    this.#violation = this.#described(smallest(scenario, (candidate) => this.#still(candidate)));
  }

  #violates(input: DecisionInput): boolean {
    return this.#invariant.never.includes(decided(this.#engine, input).effect);
  }

  #still(candidate: JsonObject): boolean {
    const input = readOrNull(candidate, this.#vocabulary);
    return input !== null && this.#invariant.concerns(input) && isReached(this.#engine, input) && this.#violates(input);
  }

  #described(scenario: JsonObject): Violation {
    const input = readOrNull(scenario, this.#vocabulary);
    if (input === null) throw new GatewayError('INTERNAL_ERROR', 'a violation that cannot be read');
    const { effect, policyIds } = decided(this.#engine, input);
    const { name, never } = this.#invariant;
    const expect = ['deny', ...EFFECTS].find((each) => !never.some((word) => word === each)) ?? 'deny';
    return { effect, policies: policyIds, scenario, test: yamlItem({ name, ...scenario, expect }) };
  }
}
