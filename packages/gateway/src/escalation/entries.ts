import { approvalBindingDigest, type EntryDraft, type JsonObject } from '@cmcp/evidence';
import { blankEntry } from '../audit/blank.ts';
import { asciiName } from '../claim.ts';
import { ANSWERS } from './entitled.ts';
import type { ApprovalRequest, Verdict } from './types.ts';

/** Every step of an approval is an entry of type `approval` in the session's chain; the digest of the binding links them. */
function entry(action: string, request: ApprovalRequest, detail: JsonObject): EntryDraft {
  const { id, binding, caller, serverIdentity } = request;
  return {
    ...blankEntry('approval', action),
    tool_name: binding.tool,
    server_identity: serverIdentity,
    caller: caller.subject,
    caller_source: caller.source,
    on_behalf_of: caller.onBehalfOf ?? null,
    policy_ids: request.escalations.map(({ policyId }) => policyId).sort(),
    detail: { approval_id: id, binding_digest: approvalBindingDigest(binding), ...detail },
  };
}

/** All of the binding is entered, so that whoever has the chain can check what an approver signed. */
export function requestedEntry(request: ApprovalRequest): EntryDraft {
  const { binding, escalations, callId, action } = request;
  const effect = escalations.every((each) => each.effect === 'defer') ? 'defer' : 'step_up';
  return {
    ...entry('approval_requested', request, {
      ...binding,
      of: action,
      effect,
      approvers: joined(escalations.flatMap(({ approver }) => (approver === null ? [] : [approver]))),
      channels: joined(escalations.flatMap(({ via }) => ANSWERS[via])),
    }),
    call_id: callId,
    policy_decision: effect,
    request_payload_hash: binding.arguments_digest,
  };
}

/** `left`: how many policies are not satisfied by it yet. */
export function answeredEntry(request: ApprovalRequest, verdict: Verdict, left: number): EntryDraft {
  const { approved, by, approvers, channel, reason, signature } = verdict;
  return {
    ...entry(approved ? 'approval_granted' : 'approval_refused', request, {
      channel,
      by: asciiName(by),
      approvers: joined(approvers),
      asserted_by: channel === 'user' ? 'client' : 'gateway',
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

/** `callId`: the call that used it up, whose arguments are those that were asked about. */
export function usedEntry(request: ApprovalRequest, callId: string): EntryDraft {
  const { arguments_digest } = request.binding;
  return { ...entry('approval_used', request, { arguments_digest }), call_id: callId };
}

/** Names as entries list them: without the comma that joins them, and without spaces. */
function joined(names: readonly string[]): string {
  const listed = names.map((name) => asciiName(name).replace(/[ ,]/g, (each) => (each === ',' ? '%2C' : '%20')));
  return [...new Set(listed)].sort().join(',');
}
