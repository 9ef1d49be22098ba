import type { Schema } from '@cedar-policy/cedar-wasm/nodejs';
import { prepare } from '../../../policy/prepared.ts';
import type { CedarRequest } from '../../../policy/request.ts';

/** What Cedar makes of a question about a request. */
export interface Answer {
  truth: 'true' | 'false' | 'error';
  /** Cedar's words about an error. */
  message: string | null;
}

/** Answers by question. */
export type Answers = (question: string) => Answer;

/**
 * Questions about one request, each of them a permit: it applies where the answer is yes. All are put to Cedar as one set of
 * policies, so that what an explanation says of the parts of a policy is what the engine itself says (architecture rule 8).
 */
export class Inquiry {
  /** Ids by the text of the question. */
  readonly #ids = new Map<string, string>();

  add(...questions: readonly string[]): void {
    for (const question of questions) {
      if (!this.#ids.has(question)) this.#ids.set(question, `question-${this.#ids.size}`);
    }
  }

  /** Null when Cedar does not take the request under the schema. @throws NotEvaluable as the engine does */
  put(request: CedarRequest, schema: Schema | null): Answers | null {
    const policies = Object.fromEntries([...this.#ids].map(([question, id]) => [id, question]));
    const prepared = prepare(policies, schema);
    try {
      const answer = prepared.ask(request);
      if (answer.type === 'failure') return null;
      const { reason, errors } = answer.response.diagnostics;
      const applies = new Set(reason);
      const messages = new Map(errors.map(({ policyId, error }) => [policyId, error.message]));
      return (question) => {
        const id = this.#ids.get(question) ?? '';
        const message = messages.get(id) ?? null;
        return { truth: message !== null ? 'error' : applies.has(id) ? 'true' : 'false', message };
      };
    } finally {
      prepared.release();
    }
  }
}
