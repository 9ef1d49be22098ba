/** Makes approval records. Not part of the package. */
import { type Quorum, type TrustedReviewer, wirePolicy } from '../approval/quorum.ts';
import { APPROVAL_NAMES, type ApprovalKind, approvalPreimage, NO_PREDECESSOR } from '../approval/record.ts';
import type { JsonObject } from '../json/value.ts';
import { newKey, type TestKey } from './session.ts';

export interface TestReviewer extends TrustedReviewer {
  sign: TestKey['sign'];
}

/** The time at which the approvals of tests are in force. */
export const APPROVED_NOW = 1_800_000_000;

export async function newReviewer(principal: string, members: Partial<TrustedReviewer> = {}): Promise<TestReviewer> {
  const { x, sign } = await newKey();
  return { keyId: `key-of-${principal}`, key: x, principal, issuer: 'acme', role: null, ...members, sign };
}

export function quorumOf(reviewers: readonly TrustedReviewer[], members: Partial<Quorum> = {}): Quorum {
  const policy = { policyId: 'two-reviewers', threshold: 2, distinctPrincipals: true, distinctRoles: false };
  return { ...policy, reviewers, revoked: [], ...members };
}

/** A record without approvals; `members` by their names on the wire. */
export function recordBody(kind: ApprovalKind, quorum: Quorum, hash: string, members: JsonObject = {}): JsonObject {
  const names = APPROVAL_NAMES[kind];
  return {
    profile: names.profile,
    [names.id]: 'main',
    sequence: 1,
    previous_record_hash: NO_PREDECESSOR,
    [names.previous]: NO_PREDECESSOR,
    [names.next]: hash,
    change_set_digest: NO_PREDECESSOR,
    approval_policy: wirePolicy(quorum),
    automated_checks_digest: NO_PREDECESSOR,
    ...members,
  };
}

/** What one reviewer signs into a record; `members` by their names on the wire. */
export async function approvalBy(
  reviewer: TestReviewer,
  body: JsonObject,
  members: JsonObject = {},
): Promise<JsonObject> {
  const approval = {
    principal_id: reviewer.principal,
    issuer: reviewer.issuer,
    key_id: reviewer.keyId,
    role: reviewer.role ?? 'reviewer',
    approved_at: APPROVED_NOW - 60,
    expires_at: APPROVED_NOW + 60,
    ...members,
  };
  return { ...approval, signature: await reviewer.sign(approvalPreimage(body, approval)) };
}

export async function approvedRecord(body: JsonObject, reviewers: readonly TestReviewer[]): Promise<JsonObject> {
  return { ...body, approvals: await Promise.all(reviewers.map((reviewer) => approvalBy(reviewer, body))) };
}
