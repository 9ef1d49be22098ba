import type { Catalog } from '../../../catalog/types.ts';
import { GatewayError } from '../../../errors.ts';
import { NotEvaluable } from '../../../policy/cedar-value.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { CedarRequest, RequestBuilder } from '../../../policy/request.ts';
import { compatRequests } from '../../../policy/request-compat.ts';
import { nativeRequests } from '../../../policy/request-native.ts';
import type { Decision, DecisionInput } from '../../../policy/types.ts';
import { askedText } from '../replay.ts';
import { decided, type Workpiece } from '../workshop.ts';
import { notToApply, toApply } from './changes.ts';
import { clausesIn, expressionText, scopeQuestions } from './condition.ts';
import { type Answer, type Answers, Inquiry } from './inquiry.ts';
import type { NamedValue } from './values.ts';
import { deciding, type WeighedClause, weigh } from './weighed.ts';

/** A bundle to be explained, with the line on which each of its policies begins. */
export interface Explainable extends Workpiece {
  lines: ReadonlyMap<string, number>;
}

/** A policy, and where it stands: `file:line`. */
export interface PlacedPolicy {
  id: string;
  effect: BundlePolicy['effect'];
  place: string;
}

/** A part of a condition that made it what it is. */
export interface Reason {
  text: string;
  truth: Answer['truth'];
  message: string | null;
  values: NamedValue[];
}

/** A policy that is about requests like this, and does not apply to it. */
export interface Unmet extends PlacedPolicy {
  clauses: { text: string; reasons: Reason[] }[];
}

/** Something that would have to be otherwise, for the sake of one policy or because none is there. */
export interface Step {
  policy: PlacedPolicy | null;
  /** Whether the policy would have to apply. */
  apply: boolean;
  /** Each of these; none where only the policy itself can be changed. */
  changes: string[];
  /** What would do instead of all of them. */
  alternatives: string[][];
}

export interface Explanation {
  agent: string;
  asked: string;
  stage: 'ingress' | 'egress';
  allowed: boolean;
  decision: Pick<Decision, 'effect' | 'policyIds' | 'advice' | 'error'>;
  /** Why no policy was asked; null when they were. */
  refused: string | null;
  /** Policies that apply: permits, and forbids, which win. */
  matched: PlacedPolicy[];
  /** Policies that are about requests like this, and could not be evaluated on it. Each denies. */
  failed: (Unmet & { message: string })[];
  unmet: Unmet[];
  /** How many policies are about other agents, actions or targets. */
  elsewhere: number;
  /** Ways to the other outcome; all steps of one are needed. None where the request itself was refused. */
  ways: Step[][];
}

/** Says why `input` is decided as it is. What is said of policies and their parts is what Cedar answers. */
export function explain(piece: Explainable, catalog: Catalog, input: DecisionInput): Explanation {
  const { effect, policyIds, advice, error } = decided(piece.engine, input);
  const about = {
    agent: input.caller.subject,
    asked: askedText(input),
    stage: input.response === undefined ? 'ingress' : 'egress',
    allowed: !HELD_BACK.includes(effect),
    decision: { effect, policyIds, advice, error },
  } as const;
  const studied = study(piece, catalog, input);
  if (studied === null) {
    const refused = error ?? 'the schema of the bundle declares no such action, so that no policy can permit it';
    return { ...about, refused, matched: [], failed: [], unmet: [], elsewhere: 0, ways: [] };
  }
  const relevant = studied.filter(({ aboutThis }) => aboutThis);
  return {
    ...about,
    refused: null,
    matched: relevant.filter(({ itself }) => itself.truth === 'true').map(({ placed }) => placed),
    failed: relevant
      .filter(({ itself }) => itself.truth === 'error')
      .map((each) => ({ ...unmetOf(each), message: each.itself.message ?? '' })),
    unmet: relevant.filter(({ itself }) => itself.truth === 'false').map(unmetOf),
    elsewhere: studied.length - relevant.length,
    ways: about.allowed ? waysToDeny(relevant) : [wayToAllow(studied, input)],
  };
}

const HELD_BACK: readonly string[] = ['deny', 'step_up', 'defer'];

interface Studied {
  placed: PlacedPolicy;
  json: BundlePolicy['json'];
  /** Whether its scope covers the request, and which parts of it do. */
  aboutThis: boolean;
  scope: Record<'principal' | 'action' | 'resource', boolean>;
  itself: Answer;
  clauses: WeighedClause[];
}

/** Null when the request was refused before any policy was asked. */
function study(piece: Explainable, catalog: Catalog, input: DecisionInput): Studied[] | null {
  const { bundle } = piece;
  const request = requestOf(requestsFor(piece, catalog), input);
  if (request === null) return null;
  const inquiry = new Inquiry();
  const finishers = bundle.policies.map((policy) => ({ policy, finish: studyPolicy(policy, request, inquiry) }));
  const answers = inquiry.put(request, bundle.request === 'native' ? bundle.schema : null);
  if (answers === null) return null;
  return finishers.map(({ policy: { id, effect, path, json }, finish }) => ({
    placed: { id, effect, place: `${path}:${piece.lines.get(id) ?? 1}` },
    json,
    ...finish(answers),
  }));
}

function studyPolicy(
  policy: BundlePolicy,
  request: CedarRequest,
  inquiry: Inquiry,
): (answers: Answers) => Omit<Studied, 'placed' | 'json'> {
  const asked = scopeQuestions(policy);
  inquiry.add(...Object.values(asked));
  const clauses = clausesIn(policy).map((clause) => weigh(clause, request, inquiry));
  return (answers) => {
    const holds = (question: string): boolean => answers(question).truth === 'true';
    const scope = {
      principal: holds(asked.principal),
      action: holds(asked.action),
      resource: holds(asked.resource),
    };
    return {
      scope,
      aboutThis: scope.principal && scope.action && scope.resource,
      itself: answers(asked.policy),
      clauses: clauses.map((finish) => finish(answers)),
    };
  };
}

function unmetOf({ placed, clauses }: Studied): Unmet {
  const unmet = clauses.filter(({ met }) => !met);
  return {
    ...placed,
    clauses: unmet.map(({ text, condition }) => ({
      text,
      reasons: deciding(condition).map(({ text: part, truth, message, values }) => ({
        text: part,
        truth,
        message,
        values,
      })),
    })),
  };
}

/** Every forbid that applies or fails would have to let go, and some permit would have to apply. */
function wayToAllow(studied: readonly Studied[], input: DecisionInput): Step[] {
  const relevant = studied.filter(({ aboutThis }) => aboutThis);
  const against = relevant.filter(({ placed, itself }) =>
    placed.effect === 'forbid' ? itself.truth !== 'false' : itself.truth === 'error',
  );
  const steps = against.map(({ placed, clauses }): Step => {
    // A permit that fails denies too; making it apply mends that and may be what allows.
    const apply = placed.effect === 'permit';
    return apply ? applying(placed, clauses) : lettingGo(placed, clauses);
  });
  const permits = relevant.filter(({ placed }) => placed.effect === 'permit');
  const permitted = permits.some(({ itself }) => itself.truth === 'true') || steps.some(({ apply }) => apply);
  return permitted ? steps : [...steps, permitStep(permits, studied, input)];
}

function applying(policy: PlacedPolicy, clauses: readonly WeighedClause[]): Step {
  return { policy, apply: true, changes: toApply(clauses), alternatives: [] };
}

function lettingGo(policy: PlacedPolicy, clauses: readonly WeighedClause[]): Step {
  const [changes = [], ...alternatives] = notToApply(clauses);
  return { policy, apply: false, changes, alternatives };
}

function permitStep(permits: readonly Studied[], studied: readonly Studied[], input: DecisionInput): Step {
  const ways = permits.map(({ placed, clauses }) => applying(placed, clauses));
  const [best] = ways.sort((a, b) => a.changes.length - b.changes.length);
  if (best !== undefined) return best;
  const near = studied.filter(({ placed, scope }) => placed.effect === 'permit' && misses(scope).length === 1);
  const hints = near.map(({ placed, scope, json }) => {
    const [part = 'principal'] = misses(scope);
    return `${placed.id} (${placed.place}) would be about it, but for its ${part}: ${scopeText(part, json)}`;
  });
  const { subject } = input.caller;
  return {
    policy: null,
    apply: true,
    changes: [`no permit is about ${askedText(input)} by ${subject}: add one`, ...hints],
    alternatives: [],
  };
}

function misses(scope: Studied['scope']): ('principal' | 'action' | 'resource')[] {
  return (['principal', 'action', 'resource'] as const).filter((part) => !scope[part]);
}

/** What a policy says in this part of its scope. */
function scopeText(part: 'principal' | 'action' | 'resource', json: BundlePolicy['json']): string {
  const constraint = json[part];
  const entities = 'entities' in constraint ? constraint.entities : 'entity' in constraint ? [constraint.entity] : [];
  const names = entities.map((entity) =>
    expressionText({ Value: { __entity: '__entity' in entity ? entity.__entity : entity } }),
  );
  const type = 'entity_type' in constraint ? constraint.entity_type : '';
  return [part, constraint.op, type, names.join(', ')].filter((word) => word !== '').join(' ');
}

/** The forbid that takes least to apply; and, apart from that, what would end every permit that applies. */
function waysToDeny(relevant: readonly Studied[]): Step[][] {
  const forbids = relevant
    .filter(({ placed }) => placed.effect === 'forbid')
    .map(({ placed, clauses }) => applying(placed, clauses))
    .sort((a, b) => a.changes.length - b.changes.length);
  const permits = relevant
    .filter(({ placed, itself }) => placed.effect === 'permit' && itself.truth === 'true')
    .map(({ placed, clauses }) => lettingGo(placed, clauses));
  return [...forbids.slice(0, 1).map((step) => [step]), permits];
}

/** Null for what no policy of the bundle can be about, or Cedar cannot carry. */
function requestOf(requests: RequestBuilder, input: DecisionInput): CedarRequest | null {
  try {
    return requests.build(input);
  } catch (error) {
    if (error instanceof NotEvaluable || error instanceof GatewayError) return null;
    throw error;
  }
}

function requestsFor({ bundle }: Workpiece, catalog: Catalog): RequestBuilder {
  return bundle.request === 'native' ? nativeRequests(bundle.schema, catalog) : compatRequests(catalog);
}
