import { canonicalSorted, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { ApprovalDraft, ApprovalRequest } from '../escalation/types.ts';
import { checkAnswer } from '../inspection/ask-answer.ts';
import type { Ask } from '../mcp/asks.ts';
import { plainly } from '../plainly.ts';
import type { PathDeps } from './deps.ts';
import { patience } from './patience.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';
import type { Side } from './side.ts';

/** Whether policy wants the user asked, and the agent's client can be. If not, an operator may answer in the user's place. */
export function mayAskUser({ escalations }: Pick<ApprovalDraft, 'escalations'>, { abilities }: Side): boolean {
  return abilities.elicitForm && escalations.some(({ via }) => via === 'user');
}

/**
 * Asks the agent's user through the agent's own client, and hands the desk what comes back: the word of that client, which counts for
 * no approver. What is not answered stays open.
 *
 * @throws GatewayError APPROVAL_REFUSED when the user declines, whatever an operator said meanwhile
 */
export async function askUser(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  side: Side,
  request: ApprovalRequest,
): Promise<void> {
  const action = await answerTo(deps, record, plan, side, request);
  if (action !== 'accept' && action !== 'decline') return;
  const approved = action === 'accept';
  const { caller } = request;
  const verdict = { approved, by: caller.onBehalfOf ?? caller.subject, approvers: [], channel: 'user' } as const;
  try {
    const reason = approved ? 'accepted through the client' : 'declined through the client';
    await deps.desk.answer(request.id, { ...verdict, reason, signature: null });
  } catch (error) {
    // Somebody else answered it first, or it is over: the desk knows.
    if (!(error instanceof GatewayError) || error.code !== 'INVALID_PARAMS') throw error;
  }
  if (!approved) throw new GatewayError('APPROVAL_REFUSED', 'the user declined');
}

/** The action of the user's answer; null: there was none in time. */
async function answerTo(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  side: Side,
  request: ApprovalRequest,
): Promise<string | null> {
  const { clock, config } = deps;
  const leftMs = (request.expiresMicros - clock.nowMicros()) / 1000;
  const waits = patience(deps, record, plan, Math.min(config.limits.inputTimeoutMs, leftMs));
  const signal = AbortSignal.any([waits.signal, side.signal]);
  const ask: Ask = { kind: 'elicit', params: question(request) };
  try {
    // What was stopped meanwhile asks nobody anything.
    if (signal.aborted) return null;
    return String(member(checkAnswer(ask, await side.ask(ask, signal)), 'action'));
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  } finally {
    waits.end();
  }
}

/** What the user is shown: all of the arguments, and nothing that hides or turns round what stands there (ASI-09, AISVS-9.2.7). */
function question({ binding, arguments: given }: ApprovalRequest): JsonObject {
  const message = [
    'Your approval is asked for before this goes on:',
    `  ${plainly(binding.tool)} of the server ${plainly(binding.server)}, asked for by ${plainly(binding.subject)}`,
    `  with ${plainly(canonicalSorted(given))}`,
    'Characters that cannot be seen are written as \\u{…}. Accept to let exactly this through, once.',
  ].join('\n');
  return { message, requestedSchema: { type: 'object', properties: {} } };
}
