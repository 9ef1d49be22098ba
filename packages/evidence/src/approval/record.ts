import { digest } from '../crypto/sha256.ts';
import { FormatError } from '../format-error.ts';
import { jcsBytes, readJsonObject } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import { flag, integer, list, object, oneOf, text } from '../shape.ts';

/** What reviewers approve: a catalog, or a policy bundle. */
export type ApprovalKind = 'catalog' | 'bundle';

/** A detached approval record (wire-formats section 6.5), read. The two kinds differ in their profile and in three names. */
export interface ApprovalRecord {
  /** Which catalog or bundle: `catalog_id`, `bundle_id`. */
  subjectId: string;
  sequence: number;
  previousRecordHash: string;
  previousHash: string;
  newHash: string;
  changeSetDigest: string;
  checksDigest: string;
  policy: WirePolicy;
  approvals: Approval[];
  /** As written: what signatures and the record's digest are over. */
  raw: JsonObject;
}

/** The quorum that the record says it was approved under. Never the one that it is judged by (D-25). */
export interface WirePolicy extends JsonObject {
  policy_id: string;
  policy_hash: string;
  threshold: number;
  distinct_principals: boolean;
  distinct_roles: boolean;
}

/** One reviewer's approval. Times are seconds since the epoch. */
export interface Approval extends JsonObject {
  principal_id: string;
  issuer: string;
  key_id: string;
  role: string;
  approved_at: number;
  expires_at: number;
  signature: string;
}

/** What a record of each kind calls things. */
export const APPROVAL_NAMES = {
  catalog: {
    profile: 'tag:agentrust-io.com,2026:cmcp-catalog-approval-v1',
    id: 'catalog_id',
    previous: 'previous_catalog_hash',
    next: 'new_catalog_hash',
  },
  bundle: {
    profile: 'tag:agentrust-io.com,2026:cmcp-bundle-approval-v1',
    id: 'bundle_id',
    previous: 'previous_bundle_hash',
    next: 'new_bundle_hash',
  },
} as const satisfies Record<ApprovalKind, Record<string, string>>;

/** What stands for "none" where a record must name a predecessor. */
export const NO_PREDECESSOR = `sha256:${'0'.repeat(64)}`;

const MAX_BYTES = 256 * 1024;
const NAME = text(/^[^\p{Cc}]{1,256}$/u);
const DIGEST = text(/^sha256:[0-9a-f]{64}$/);

const POLICY = object({
  policy_id: NAME,
  policy_hash: DIGEST,
  threshold: integer(1),
  distinct_principals: flag,
  distinct_roles: flag,
});

const APPROVAL = object({
  principal_id: NAME,
  issuer: NAME,
  key_id: NAME,
  role: NAME,
  approved_at: integer(0),
  expires_at: integer(0),
  // 64 bytes without padding; that the last digit has no bits to spare is looked at when the signature is.
  signature: text(/^[A-Za-z0-9_-]{86}$/),
});

const RECORDS = { catalog: recordRule('catalog'), bundle: recordRule('bundle') };

function recordRule(kind: ApprovalKind) {
  const { profile, id, previous, next } = APPROVAL_NAMES[kind];
  return object({
    profile: oneOf(profile),
    [id]: NAME,
    sequence: integer(1),
    previous_record_hash: DIGEST,
    [previous]: DIGEST,
    [next]: DIGEST,
    change_set_digest: DIGEST,
    approval_policy: POLICY,
    automated_checks_digest: DIGEST,
    approvals: list(APPROVAL),
  });
}

/** Reads an approval record of one kind. @throws FormatError */
export function parseApprovalRecord(input: Uint8Array | string, kind: ApprovalKind): ApprovalRecord {
  const raw = readJsonObject(input, 'the approval record', { bytes: MAX_BYTES, depth: 8, items: 4_000 });
  const problem = RECORDS[kind](raw, 'record');
  if (problem !== null) throw new FormatError(problem);
  const { id, previous, next } = APPROVAL_NAMES[kind];
  return {
    subjectId: raw[id] as string,
    sequence: raw.sequence as number,
    previousRecordHash: raw.previous_record_hash as string,
    previousHash: raw[previous] as string,
    newHash: raw[next] as string,
    changeSetDigest: raw.change_set_digest as string,
    checksDigest: raw.automated_checks_digest as string,
    policy: raw.approval_policy as WirePolicy,
    approvals: raw.approvals as Approval[],
    raw,
  };
}

/** What a reviewer signs: the whole record without its approvals, and their own approval without its signature. */
export function approvalPreimage(record: JsonObject, approval: JsonObject): Uint8Array<ArrayBuffer> {
  const { approvals: _approvals, ...body } = record;
  const { signature: _signature, ...unsigned } = approval;
  return jcsBytes({ record: body, approval: unsigned }, 'the approval');
}

/** What the next record names as its predecessor, and what sessions commit to: over the record with its approvals. */
export function approvalRecordDigest(record: JsonObject): string {
  return jcsDigest(record, 'the approval record');
}

/** `sha256:` over the RFC 8785 form. @throws FormatError for what has none */
export function jcsDigest(object: JsonObject, what: string): string {
  return digest(jcsBytes(object, what));
}
