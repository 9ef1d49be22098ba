import type { Catalog } from '../../../catalog/types.ts';
import { GatewayError } from '../../../errors.ts';
import { NotEvaluable } from '../../../policy/cedar-value.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { CedarRequest, RequestBuilder } from '../../../policy/request.ts';
import { compatRequests } from '../../../policy/request-compat.ts';
import { nativeRequests } from '../../../policy/request-native.ts';
import type { DecisionInput } from '../../../policy/types.ts';
import type { Workpiece } from '../workshop.ts';
import { clausesIn, scopeQuestions } from './condition.ts';
import { type Answer, type Answers, Inquiry } from './inquiry.ts';
import { type WeighedClause, weigh } from './weighed.ts';

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

/** A policy, with what Cedar says of it and of its parts under one request. */
export interface Studied {
  placed: PlacedPolicy;
  json: BundlePolicy['json'];
  /** Whether its scope covers the request, and which parts of it do. */
  aboutThis: boolean;
  scope: Record<'principal' | 'action' | 'resource', boolean>;
  itself: Answer;
  clauses: WeighedClause[];
}

/** Every policy of the bundle; null when the request was refused before any was asked. */
export function study(piece: Explainable, catalog: Catalog, input: DecisionInput): Studied[] | null {
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
