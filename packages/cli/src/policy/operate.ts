import { type JsonObject, type JsonValue, printable, stringifyJson } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type Io } from '../io.ts';
import { OPERATOR_OPTIONS, operatorAccess } from '../operator-access.ts';
import { askOperatorJson } from '../operator-client.ts';

/** What an action asks the operator interface. */
interface Question {
  method: 'GET' | 'POST';
  route: string;
  body?: JsonObject;
}

/** An action that is one question to a running gateway. `text`: the answer, for a person. */
export function operatorAction(
  about: Omit<Action, 'run'>,
  question: (positionals: string[], given: Arguments) => Promise<Question> | Question,
  text: (answer: JsonObject) => string,
): Action {
  return {
    ...about,
    options: { ...OPERATOR_OPTIONS, ...about.options },
    async run(positionals, given, io: Io) {
      const { method, route, body } = await question(positionals, given);
      const answer = await askOperatorJson(await operatorAccess(given, io), method, route, body ?? null);
      io.out(given.has('json') ? `${stringifyJson(answer)}\n` : `${lines(text(answer))}\n`);
      return EXIT.done;
    },
  };
}

/** What comes from the gateway cannot move the cursor. */
function lines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** A member of an answer, as text. */
export function said(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : stringifyJson(value ?? null);
}
