import {
  encodeBase64Url,
  type JsonObject,
  jwkThumbprint,
  type SignatureResult,
  verifyApprovalSignature,
} from '@cmcp/evidence';
import type { GatewayChain } from '../audit/gateway-chain.ts';
import type { ApprovalsConfig, ApproverConfig } from '../config/approvals.ts';
import { GatewayError } from '../errors.ts';
import type { Operator } from '../operator/route.ts';
import type { Desk, Kept } from './desk.ts';
import type { Answer, ApprovalOperations } from './routes.ts';
import { described, shown } from './shown.ts';
import type { ApprovalRequest, Verdict } from './types.ts';

export interface ApprovalOperationsDeps {
  desk: Desk;
  chain: GatewayChain;
  approvers: ApprovalsConfig['approvers'];
}

/** What operators do about calls that wait for an approval. Whose word an operator's is, is said by the configuration alone. */
export function approvalOperations({ desk, chain, approvers }: ApprovalOperationsDeps): ApprovalOperations {
  const told = (kept: Kept): JsonObject => described(kept, desk.left(kept));
  return {
    list: () => ({ items: desk.list().map(told) }),
    async show(by, id) {
      desk.find(id);
      await chain.enter('operator.approval_show', by, { approval_id: id });
      const kept = desk.find(id);
      return shown(kept, desk.left(kept), by.subject);
    },
    async answer(by, id, answer) {
      const kept = desk.find(id);
      const verdict = await verdictOf(approvers, kept.request, by, answer);
      const { session_id } = kept.request.binding;
      const entered = { approval_id: id, session_id, operator_reason: answer.reason };
      await chain.enter(answer.approved ? 'operator.approval_grant' : 'operator.approval_refuse', by, entered);
      await desk.answer(id, verdict);
      return told(kept);
    },
  };
}

/** @throws GatewayError FORBIDDEN for a signature that none of the keys made which the operator may sign with */
async function verdictOf(
  approvers: ApprovalsConfig['approvers'],
  { binding }: ApprovalRequest,
  { subject: by }: Operator,
  { approved, reason, signature }: Answer,
): Promise<Verdict> {
  const own = Object.entries(approvers).filter(([, { operators }]) => operators.includes(by));
  const base = { approved, by, channel: 'operator', reason } as const;
  if (signature === null) return { ...base, approvers: namesOf(own, null), signature: null };
  requireEdDsa(signature.alg);
  const verdict = approved ? 'granted' : 'refused';
  const key = await signerOf(own, (x) => verifyApprovalSignature(x, signature.value, binding, { verdict, reason, by }));
  if (key === null)
    throw new GatewayError(
      'FORBIDDEN',
      `the signature is of no key that \`approvals.approvers\` names for ${by}, or of something else`,
    );
  const keyId = encodeBase64Url(jwkThumbprint(key));
  return { ...base, approvers: namesOf(own, key), signature: { alg: 'EdDSA', keyId, value: signature.value } };
}

function requireEdDsa(alg: string): void {
  if (alg === 'EdDSA') return;
  const why =
    alg === 'webauthn' ? 'signatures of WebAuthn authenticators are not accepted yet' : 'there is no such kind';
  throw new GatewayError('INVALID_PARAMS', `signature.alg ${JSON.stringify(alg)}: ${why}; send EdDSA`);
}

/** The key of theirs that made the signature; null: none did. */
async function signerOf(
  own: readonly [string, ApproverConfig][],
  verify: (key: string) => Promise<SignatureResult>,
): Promise<string | null> {
  for (const key of new Set(own.flatMap(([, { keys }]) => keys))) if ((await verify(key)) === 'valid') return key;
  return null;
}

/** The approvers that the word of whoever signs nothing counts as. */
export function approversOf(approvers: ApprovalsConfig['approvers'], by: string): string[] {
  return namesOf(
    Object.entries(approvers).filter(([, { operators }]) => operators.includes(by)),
    null,
  );
}

/** The approvers that the word counts as. */
function namesOf(own: readonly [string, ApproverConfig][], key: string | null): string[] {
  return own
    .filter(([, { keys, requiredSignature }]) => !requiredSignature || (key !== null && keys.includes(key)))
    .map(([name]) => name)
    .sort();
}
