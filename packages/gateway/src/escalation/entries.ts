import { canonicalJcs, digest, type EntryDraft, type JsonObject } from '@cmcp/evidence';
import { blankEntry } from '../audit/blank.ts';
import { asciiName } from '../claim.ts';
import type { ApprovalRequest, Verdict } from './types.ts';

/** Every step of an approval is an entry of type `approval` in the session's chain; the digest of the binding links them. */
function entry(action: string, request: ApprovalRequest, detail: JsonObject): EntryDraft {
  const { id, binding, caller } = request;
  return {
    ...blankEntry('approval', action),
    tool_name: binding.tool,
    caller: caller.subject,
    caller_source: caller.source,
    on_behalf_of: caller.onBehalfOf ?? null,
    policy_ids: request.escalations.map(({ policyId }) => policyId).sort(),
    detail: { approval_id: id, binding_digest: bindingDigest(request), ...detail },
  };
}

/** Over everything that the approval is bound to. */
export function bindingDigest({ binding }: Pick<ApprovalRequest, 'binding'>): string {
  return digest(canonicalJcs(binding));
}

/** All of the binding is entered, so that whoever has the chain can check what an approver signed. */
export function requestedEntry(request: ApprovalRequest): EntryDraft {
  const { binding, escalations, callId } = request;
  const deferred = escalations.every(({ effect }) => effect === 'defer');
  return {
    ...entry('approval_requested', request, {
      ...binding,
      approvers: listed(escalations.flatMap(({ approver }) => (approver === null ? [] : [approver]))),
      channels: listed(escalations.map(({ via }) => via)),
    }),
    call_id: callId,
    policy_decision: deferred ? 'defer' : 'step_up',
    request_payload_hash: binding.arguments_digest,
  };
}

/** `left`: how many policies are not satisfied by it yet. */
export function answeredEntry(request: ApprovalRequest, verdict: Verdict, left: number): EntryDraft {
  const { approved, by, approvers, channel, reason, signature } = verdict;
  return {
    ...entry(approved ? 'approval_granted' : 'approval_refused', request, {
      approver: asciiName(by),
      counts_as: listed(approvers),
      channel,
      ...(channel === 'user' ? { asserted_by: 'client' } : {}),
      reason,
      ...(approved ? { outstanding: left } : {}),
      ...(signature === null
        ? {}
        : { signature_alg: signature.alg, signature_key_id: signature.keyId, signature: signature.value }),
    }),
    caller: asciiName(by),
    caller_source: channel,
  };
}

/** `state`: what it had come to. */
export function expiredEntry(request: ApprovalRequest, state: string): EntryDraft {
  return entry('approval_expired', request, { state });
}

/** `callId`: the call that used it up; `requestHash`: the digest of its arguments under its own salt. */
export function usedEntry(request: ApprovalRequest, callId: string, requestHash: string): EntryDraft {
  return { ...entry('approval_used', request, {}), call_id: callId, request_payload_hash: requestHash };
}

function listed(names: readonly string[]): string {
  return [...new Set(names.map(asciiName))].sort().join(',') || 'none';
}
