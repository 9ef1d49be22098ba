import type { JsonObject } from '../json/value.ts';
import { jcsDigest, type WirePolicy } from './record.ts';

/** Someone whose approvals count. From the relying party's configuration or arguments, never from a record (D-25). */
export interface TrustedReviewer {
  keyId: string;
  /** Raw Ed25519 public key, base64url. */
  key: string;
  principal: string;
  /** Who says that the key is the principal's. */
  issuer: string;
  /** null: they may approve in any role, and count for none where roles have to differ. */
  role: string | null;
}

/** How many approvals are needed, and whose. */
export interface Quorum {
  policyId: string;
  threshold: number;
  distinctPrincipals: boolean;
  distinctRoles: boolean;
  reviewers: readonly TrustedReviewer[];
  /** Ids of keys whose approvals void a record. */
  revoked: readonly string[];
}

/** The quorum as a record names it, with the hash that covers it. */
export function wirePolicy(quorum: Omit<Quorum, 'reviewers' | 'revoked'>): WirePolicy {
  const body = {
    policy_id: quorum.policyId,
    threshold: quorum.threshold,
    distinct_principals: quorum.distinctPrincipals,
    distinct_roles: quorum.distinctRoles,
  };
  return { ...body, policy_hash: policyHash(body) };
}

/** Over the policy without its own hash. */
export function policyHash(policy: JsonObject): string {
  const { policy_hash: _hash, ...body } = policy;
  return jcsDigest(body, 'the approval policy');
}
