import type { Expr } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from '../../../policy/request.ts';
import type { Clause, Condition } from './condition.ts';
import type { Answer, Answers, Inquiry } from './inquiry.ts';
import { askAbout, type Candidate, confirmed, type NamedValue, valuesIn } from './values.ts';

/** A condition with what Cedar says of it under one request. */
export interface Weighed extends Answer {
  text: string;
  expression: Expr | null;
  /** What it reads, of conditions that are not cut any further. */
  values: NamedValue[];
  made: { of: 'all' | 'any' | 'not'; parts: Weighed[] } | null;
}

/** A clause with what Cedar says of it. */
export interface WeighedClause {
  text: string;
  condition: Weighed;
  wanted: boolean;
  /** Whether it lets its policy apply. */
  met: boolean;
}

/** Prepares the questions about `clause`; the answers make it a weighed one. */
export function weigh(clause: Clause, request: CedarRequest, inquiry: Inquiry): (answers: Answers) => WeighedClause {
  const finish = weighCondition(clause.condition, request, inquiry);
  return (answers) => {
    const condition = finish(answers);
    const { text, wanted } = clause;
    return { text, condition, wanted, met: condition.truth === String(wanted) };
  };
}

function weighCondition(condition: Condition, request: CedarRequest, inquiry: Inquiry): (answers: Answers) => Weighed {
  const { text, question, expression, made } = condition;
  inquiry.add(question);
  const parts = made?.parts.map((part) => weighCondition(part, request, inquiry)) ?? [];
  const candidates: Candidate[] = made !== null || expression === null ? [] : valuesIn(expression, request);
  askAbout(candidates, inquiry);
  return (answers) => ({
    text,
    expression,
    ...answers(question),
    values: confirmed(candidates, answers),
    made: made && { of: made.of, parts: parts.map((part) => part(answers)) },
  });
}

/**
 * The parts that made a condition what it is. Cedar reads from the left and stops where the outcome is certain, so what stands
 * behind that decided nothing.
 */
export function deciding(condition: Weighed): Weighed[] {
  const { made, truth } = condition;
  if (made === null) return [condition];
  if (made.of === 'not') return made.parts.flatMap(deciding);
  const passing = made.of === 'all' ? 'true' : 'false';
  if (truth === passing) return made.parts.flatMap(deciding);
  const stop = made.parts.find((part) => part.truth !== passing);
  return stop === undefined ? [condition] : deciding(stop);
}
