import { useEffect, useState } from 'preact/hooks';
import type { Engine } from '../engine.ts';
import type { Examined, Question } from '../verification/examine.ts';

/** The answer to a question, while it is asked and after. */
export interface Asking {
  /** The last answer; of an earlier question while `busy`. */
  examined: Examined | null;
  busy: boolean;
  /** Why there is no answer. */
  problem: string | null;
}

interface Answered {
  question: Question | null;
  examined: Examined | null;
  problem: string | null;
}

/** Asks the engine whenever the question changes. null: nothing is asked. */
export function useExamined(engine: Engine, question: Question | null): Asking {
  const [answered, setAnswered] = useState<Answered>({ question: null, examined: null, problem: null });
  useEffect(() => {
    if (question === null) return;
    let current = true;
    const answer = (examined: Examined | null, problem: string | null): void => {
      if (current) setAnswered({ question, examined, problem });
    };
    engine.ask(question).then(
      (examined) => answer(examined, null),
      (error: Error) => answer(null, error.message),
    );
    return () => {
      current = false;
    };
  }, [engine, question]);
  const { examined, problem } = answered;
  return { examined, problem, busy: question !== null && answered.question !== question };
}
