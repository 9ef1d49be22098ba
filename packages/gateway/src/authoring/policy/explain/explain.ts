import type { Catalog } from '../../../catalog/types.ts';
import type { Decision, DecisionInput } from '../../../policy/types.ts';
import { askedText } from '../replay.ts';
import { decided } from '../workshop.ts';
import type { Answer } from './inquiry.ts';
import { type Explainable, type PlacedPolicy, type Studied, study } from './study.ts';
import type { NamedValue } from './values.ts';
import { type Step, waysToDeny, wayToAllow } from './ways.ts';
import { deciding } from './weighed.ts';

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

const HELD_BACK: readonly string[] = ['deny', 'step_up', 'defer'];

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
