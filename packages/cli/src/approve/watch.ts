import { createInterface } from 'node:readline/promises';
import { setTimeout as after } from 'node:timers/promises';
import { member } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import { EXIT, type Io, RefusedError } from '../io.ts';
import { OPERATOR_OPTIONS, operatorAccess } from '../operator-access.ts';
import { askOperatorJson, type OperatorAccess } from '../operator-client.ts';
import { said } from '../policy/operate.ts';
import { type Answer, KEY_OPTION, sendAnswer } from './answer.ts';
import { itemsIn, shownText } from './look.ts';
import { readRequest } from './request.ts';

const LOOK_MS = 500;

/** Who sits at the terminal. */
export interface Person {
  /** What they typed; null: there will be nothing more. */
  ask(question: string): Promise<string | null>;
  /** Resolves when it is time to look again. */
  wait(): Promise<void>;
}

export const watchAction: Action = {
  name: 'watch',
  usage: 'watch [--key FILE]',
  description: [
    'Shows each request as it comes, whole, and asks you for an answer and a reason. Anything but y or n leaves it to others.',
    'Ends with the input, or Ctrl-C.',
  ],
  options: { ...OPERATOR_OPTIONS, key: KEY_OPTION },
  examples: [['cmcp approve watch --key anna.jwk', 'In a terminal of your own']],
  async run(_positionals, given, io) {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    const gone = new Promise<null>((resolve) => lines.once('close', () => resolve(null)));
    const person: Person = {
      ask: (question) => Promise.race([lines.question(question), gone]),
      wait: async () => void (await Promise.race([after(LOOK_MS), gone])),
    };
    let over = false;
    void gone.then(() => {
      over = true;
    });
    try {
      await watch(person, await operatorAccess(given, io), given.one('key'), io, () => over);
    } finally {
      lines.close();
    }
    return EXIT.done;
  },
};

/** Puts each open request to a person once, until there is nobody any more. */
export async function watch(
  person: Person,
  to: OperatorAccess,
  keyFile: string | null,
  io: Pick<Io, 'out'>,
  over: () => boolean,
): Promise<void> {
  const seen = new Set<string>();
  while (!over()) {
    const items = itemsIn(await askOperatorJson(to, 'GET', 'approvals'));
    const open = items.filter((item) => member(item, 'state') === 'open').map((item) => said(member(item, 'id')));
    for (const id of open.filter((each) => !seen.has(each))) {
      seen.add(id);
      if (!(await one(person, to, id, keyFile, io))) return;
    }
    await person.wait();
  }
}

/** False when there is nobody any more. What is over by the time of the answer is said, and the next one comes. */
async function one(
  person: Person,
  to: OperatorAccess,
  id: string,
  keyFile: string | null,
  io: Pick<Io, 'out'>,
): Promise<boolean> {
  try {
    const request = await readRequest(to, id);
    io.out(`\n${shownText(request.text)}\n\n`);
    const answer = await answerOf(person);
    if (answer === null) return false;
    if (answer === 'others') {
      io.out('Left to others.\n');
      return true;
    }
    const told = await sendAnswer(to, request, { ...answer, keyFile });
    io.out(`${id} is ${said(member(told, 'state'))}.\n`);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    io.out(`${shownText(error.message)}\n`);
  }
  return true;
}

async function answerOf(person: Person): Promise<Omit<Answer, 'keyFile'> | 'others' | null> {
  const word = await person.ask('Approve this call? y/n: ');
  if (word === null) return null;
  const verdict = /^(?:y|yes)$/i.test(word.trim()) ? 'granted' : /^(?:n|no)$/i.test(word.trim()) ? 'refused' : null;
  if (verdict === null) return 'others';
  const reason = await person.ask('Why? ');
  if (reason === null) return null;
  return reason.trim() === '' ? 'others' : { verdict, reason: reason.trim() };
}
