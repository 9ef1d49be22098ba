import { readFile } from 'node:fs/promises';
import { approvalSigningInput, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, UsageError } from '../io.ts';
import { OPERATOR_OPTIONS, operatorAccess } from '../operator-access.ts';
import { askOperatorJson, type OperatorAccess } from '../operator-client.ts';
import { said } from '../policy/operate.ts';
import { shownText } from './look.ts';
import { idIn, type Request, readRequest } from './request.ts';

/** An answer to a request. */
export interface Answer {
  verdict: 'granted' | 'refused';
  reason: string;
  /** File of the approver's own key; null: it is not signed. */
  keyFile: string | null;
}

export const KEY_OPTION = { value: 'FILE', help: 'Your key, to sign with: `cmcp approve keygen` makes one.' };

export const grantAction = answerAction('grant', 'granted', [
  'Approves exactly this call, once: the same caller, session, tool and arguments, under the same policy and catalog, as long as',
  'it lasts. It is shown first, whole; with --key it is signed, which is checked against what was shown.',
]);

export const refuseAction = answerAction('refuse', 'refused', [
  'Refuses a call. The same call stays refused until the request would have expired.',
]);

function answerAction(name: 'grant' | 'refuse', verdict: Answer['verdict'], description: string[]): Action {
  const usage = `${name} ID --reason TEXT [--key FILE]`;
  return {
    ...{ name, usage, description },
    options: { ...OPERATOR_OPTIONS, reason: { value: 'TEXT', help: 'Why. Recorded.' }, key: KEY_OPTION },
    examples: [[`cmcp approve ${name} "$ID" --reason "asked the customer, ticket 7"`, 'The reason is recorded']],
    async run([id], given, io) {
      const wanted = idIn(id, usage);
      const answer = { verdict, reason: reasonIn(given), keyFile: given.one('key') };
      const to = await operatorAccess(given, io);
      const request = await readRequest(to, wanted);
      if (!given.has('json')) io.out(`${shownText(request.text)}\n\n`);
      const told = await sendAnswer(to, request, answer);
      io.out(`${given.has('json') ? stringifyJson(told) : `${wanted} is ${said(member(told, 'state'))}.`}\n`);
      return EXIT.done;
    },
  };
}

/** Answers a request that was shown, signed where there is a key. Resolves with what it has come to. */
export async function sendAnswer(
  to: OperatorAccess,
  request: Request,
  { verdict, reason, keyFile }: Answer,
): Promise<JsonObject> {
  const signature = keyFile === null ? {} : { signature: await signed(request, { verdict, reason }, keyFile) };
  const step = verdict === 'granted' ? 'grant' : 'refuse';
  return askOperatorJson(to, 'POST', `approvals/${request.id}/${step}`, { reason, ...signature });
}

async function signed(
  { binding, by }: Request,
  answer: Pick<Answer, 'verdict' | 'reason'>,
  keyFile: string,
): Promise<JsonObject> {
  const { readReviewerKey } = await import('@cmcp/gateway');
  const key = readReviewerKey(await readFile(keyFile, 'utf8'), keyFile);
  return { alg: 'EdDSA', value: key.sign(approvalSigningInput(binding, { ...answer, by })) };
}

function reasonIn(given: Arguments): string {
  const reason = given.one('reason');
  if (reason === null) throw new UsageError('give --reason');
  return reason;
}
