import { GatewayError } from '../errors.ts';
import type { Approved } from '../policy/types.ts';
import type { ApprovalRequest, Channel, Escalation, Verdict } from './types.ts';

/** Whose word counts for what is answered through a channel. What a user may say, an operator may. */
export const ANSWERS: Readonly<Record<Channel, readonly Channel[]>> = {
  operator: ['operator'],
  user: ['user', 'operator'],
  callback: ['callback'],
};

/** From what proves least to what proves most: the word of a user comes through the agent's own client. */
const BY_WEIGHT: readonly Channel[] = ['user', 'callback', 'operator'];

const isThrough = ({ via }: Escalation, { channel }: Verdict): boolean => ANSWERS[via].includes(channel);

function satisfies(escalation: Escalation, verdict: Verdict): boolean {
  const { approver } = escalation;
  if (!verdict.approved || !isThrough(escalation, verdict)) return false;
  return approver === null || (verdict.channel !== 'user' && verdict.approvers.includes(approver));
}

/** What still has to be approved. */
export function outstanding(escalations: readonly Escalation[], verdicts: readonly Verdict[]): Escalation[] {
  return escalations.filter((each) => !verdicts.some((verdict) => satisfies(each, verdict)));
}

/** @throws GatewayError FORBIDDEN for a verdict that may not come from whom it comes */
export function requireEntitled(
  { escalations, caller }: Pick<ApprovalRequest, 'escalations' | 'caller'>,
  before: readonly Verdict[],
  verdict: Verdict,
): void {
  const { channel, by, approved } = verdict;
  if (channel !== 'user' && (by === caller.subject || by === caller.onBehalfOf))
    throw new GatewayError('FORBIDDEN', `${by} asked for it; somebody else has to answer`);
  if (!escalations.some((each) => isThrough(each, verdict)))
    throw new GatewayError('FORBIDDEN', `it is not answered through ${channel}`);
  const open = outstanding(escalations, before);
  // Anyone who may answer at all may refuse.
  if (!approved || outstanding(open, [verdict]).length < open.length) return;
  const names = [...new Set(open.map(({ approver }) => approver).filter((name) => name !== null))];
  throw new GatewayError(
    'FORBIDDEN',
    `${by} does not count as any of those who have to approve it: ${names.join(', ')}`,
  );
}

/** What verdicts come to for the policy: no more than the least of them. */
export function approvedBy(policies: readonly string[], verdicts: readonly Verdict[]): Approved {
  const channels = verdicts.map(({ channel }) => channel);
  return {
    policies,
    approvers: [...new Set(verdicts.flatMap(({ approvers }) => approvers))].sort(),
    channel: BY_WEIGHT.find((channel) => channels.includes(channel)) ?? 'user',
    signed: verdicts.every(({ signature }) => signature !== null),
  };
}
