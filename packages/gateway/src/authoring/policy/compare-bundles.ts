import type { JsonObject } from '@cmcp/evidence';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { targetOf } from '../../policy/native-entities.ts';
import type { Decision, DecisionInput, Effect, PolicyEngine } from '../../policy/types.ts';
import { type TextChange, textChanges } from './compare-texts.ts';
import { Seeded } from './generate/choose.ts';
import { Ideas } from './generate/ideas.ts';
import { type Described, Requests } from './generate/requests.ts';
import type { Vocabulary } from './scenario.ts';
import { yamlItem } from './scenario-yaml.ts';
import { smallest } from './smallest.ts';
import { decided, isReached, openVocabulary, readOrNull, type Workpiece, withBundle } from './workshop.ts';

/** How two bundles differ under one catalog. That no decision was found to differ does not prove that none does. */
export interface BundleComparison {
  before: { path: string; hash: string };
  after: { path: string; hash: string };
  texts: TextChange[];
  seed: number;
  /** How many random requests were tried: none where the catalog makes none possible. */
  runs: number;
  /** Each kind once: what is asked for, at which stage, decided how and by which policies. */
  decisions: DecisionChange[];
  /** Kinds that were found and are left out of `decisions`. */
  furtherKinds: number;
}

export interface DecisionChange {
  /** The action and what it is about, such as `call_tool send`. */
  about: string;
  stage: 'request' | 'answer';
  before: Decided;
  after: Decided;
  /** The smallest request of the kind that was found, and the same as a test of the new bundle. */
  scenario: JsonObject;
  test: string;
}

interface Decided {
  effect: Effect;
  policies: string[];
  advice: Record<string, string>;
  error: string | null;
}

const MAX_KINDS = 100;

/**
 * Compares what two bundles say, and how they decide random requests that are made of what rules of either look for.
 *
 * @throws GatewayError POLICY_INVALID or CATALOG_INVALID
 */
export async function compareBundles(
  config: Config,
  paths: { before: string; after: string },
  { seed, runs }: { seed: number; runs: number },
): Promise<BundleComparison> {
  const vocabulary = await openVocabulary(config);
  return inBundle(paths.before, vocabulary, (before) =>
    inBundle(paths.after, vocabulary, (after) => {
      const ideas = new Ideas().learn(before.bundle.policies).learn(after.bundle.policies);
      const requests = new Requests(vocabulary, { choose: new Seeded(seed), ideas });
      const differences = new Differences(before.engine, after.engine, vocabulary);
      let made = 0;
      for (; made < runs; made += 1) {
        const request = requests.next();
        if (request === null) break;
        differences.look(request);
      }
      return {
        before: { path: paths.before, hash: before.bundle.hash },
        after: { path: paths.after, hash: after.bundle.hash },
        texts: textChanges(before.bundle, after.bundle),
        seed,
        runs: made,
        ...differences.found,
      };
    }),
  );
}

/** Of two bundles, an error says which. */
async function inBundle<T>(
  path: string,
  vocabulary: Vocabulary,
  work: (piece: Workpiece) => T | Promise<T>,
): Promise<T> {
  try {
    return await withBundle(path, vocabulary, work);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'POLICY_INVALID' || error.detail.startsWith(path))
      throw error;
    throw new GatewayError('POLICY_INVALID', `${path}: ${error.detail}`, { cause: error });
  }
}

/** A request, decided under both. */
interface Pair {
  kind: string;
  input: DecisionInput;
  before: Decision;
  after: Decision;
}

/** The kinds of requests that are decided differently. */
class Differences {
  readonly #before: PolicyEngine;
  readonly #after: PolicyEngine;
  readonly #vocabulary: Vocabulary;
  readonly #kinds = new Set<string>();
  readonly #changes: DecisionChange[] = [];

  constructor(before: PolicyEngine, after: PolicyEngine, vocabulary: Vocabulary) {
    this.#before = before;
    this.#after = after;
    this.#vocabulary = vocabulary;
  }

  get found(): Pick<BundleComparison, 'decisions' | 'furtherKinds'> {
    return { decisions: this.#changes, furtherKinds: this.#kinds.size - this.#changes.length };
  }

  look({ scenario, input }: Described): void {
    const pair = this.#differing(input);
    if (pair === null || this.#kinds.has(pair.kind)) return;
    this.#kinds.add(pair.kind);
    if (this.#changes.length >= MAX_KINDS) return;
    const least = smallest(scenario, (candidate) => this.#read(candidate)?.kind === pair.kind);
    this.#changes.push(described(least, this.#read(least) ?? pair));
  }

  #read(scenario: JsonObject): Pair | null {
    const input = readOrNull(scenario, this.#vocabulary);
    return input === null ? null : this.#differing(input);
  }

  /** Null where both decide alike, also where one of them lets no answer come about to decide on. */
  #differing(input: DecisionInput): Pair | null {
    const [before, after] = [decided(this.#before, input), decided(this.#after, input)];
    if (visible(before) === visible(after)) return null;
    if (!isReached(this.#before, input) || !isReached(this.#after, input)) return null;
    const kind = JSON.stringify([aboutOf(input), stageOf(input), outcomeOf(before), outcomeOf(after)]);
    return { kind, input, before, after };
  }
}

/** What is to be seen of a decision from outside: all of it but who decided, and why something could not be evaluated. */
function visible({ policyIds, error, unfit, ...outcome }: Decision): string {
  const { advice, ...rest } = outcome;
  return JSON.stringify([rest, Object.entries(advice).sort()]);
}

function outcomeOf({ effect, policyIds }: Decision): unknown {
  return [effect, policyIds.toSorted()];
}

function aboutOf({ asked }: DecisionInput): string {
  return `${asked.action} ${targetOf(asked).id}`;
}

function stageOf({ response }: DecisionInput): DecisionChange['stage'] {
  return response === undefined ? 'request' : 'answer';
}

function described(scenario: JsonObject, { input, before, after }: Pair): DecisionChange {
  const about = aboutOf(input);
  const name = `${about}: ${before.effect} became ${after.effect}`;
  const test = yamlItem({ name, ...scenario, expect: after.effect });
  return { about, stage: stageOf(input), before: shown(before), after: shown(after), scenario, test };
}

function shown({ effect, policyIds, advice, error }: Decision): Decided {
  return { effect, policies: policyIds, advice, error };
}
