import { canonicalSorted, encodeBase64Url, type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import { formatTimestamp } from '../audit/timestamp.ts';
import { plainly } from '../plainly.ts';
import type { Kept } from './desk.ts';
import { outstanding } from './entitled.ts';
import type { ApprovalRequest, Escalation } from './types.ts';

/** It was within the bounds of requests, which are the operator's to set. */
const UNBOUNDED = { depth: 1024, bytes: Number.MAX_SAFE_INTEGER, items: Number.MAX_SAFE_INTEGER };

/** What operators are told of each new request: names, never arguments. */
export function requestedEvent({ id, binding, escalations }: ApprovalRequest): JsonObject & { event: string } {
  const { tool, server, subject, session_id, expires_at } = binding;
  return {
    event: 'approval.requested',
    approval_id: id,
    ...{ tool, server, subject, session_id, expires_at },
    approvers: approversOf(escalations),
    channels: channelsOf(escalations),
  };
}

/** What operators see of it in a list. */
export function described(kept: Kept, leftMs: number): JsonObject {
  const { request, state, verdicts } = kept;
  const { binding, caller, escalations } = request;
  return {
    id: request.id,
    state,
    tool: binding.tool,
    action: request.action,
    server: binding.server,
    subject: binding.subject,
    on_behalf_of: caller.onBehalfOf ?? null,
    session_id: binding.session_id,
    policies: escalations.map(({ policyId }) => policyId),
    approvers: approversOf(outstanding(escalations, verdicts)),
    channels: channelsOf(escalations),
    requested_at: formatTimestamp(request.requestedMicros),
    expires_at: binding.expires_at,
    ends_in_seconds: Math.ceil(leftMs / 1000),
    answers: verdicts.map(({ approved, by, reason, channel }) => ({ approved, by, reason, channel })),
  };
}

/**
 * All of it. `arguments` is safe to look at; `arguments_base64url` are the exact bytes that `arguments_digest` of the binding covers, after
 * those of the salt. `by`: who is shown it, and would sign under this name.
 */
export function shown(kept: Kept, leftMs: number, by: string): JsonObject {
  const { binding, arguments: args, salt } = kept.request;
  const canonical = canonicalSorted(args);
  return {
    ...described(kept, leftMs),
    binding,
    arguments: legible(canonical),
    arguments_base64url: encodeBase64Url(new TextEncoder().encode(canonical)),
    salt,
    answering_as: by,
  };
}

/** JSON in canonical form as people read it: in the order of that form, and without what hides. */
export function legible(canonical: string): string {
  return plainly(stringifyJson(parseJson(canonical, UNBOUNDED)));
}

const distinct = (names: readonly string[]): string[] => [...new Set(names)].sort();
const channelsOf = (escalations: readonly Escalation[]): string[] => distinct(escalations.map(({ via }) => via));
const approversOf = (escalations: readonly Escalation[]): string[] =>
  distinct(escalations.flatMap(({ approver }) => (approver === null ? [] : [approver])));
