import { jcsDigest } from '../approval/record.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { jcsBytes } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import { type Rule, text, time } from '../shape.ts';

const NAME = text(/^.{1,4096}$/s);
const DIGEST = text(/^sha256:[0-9a-f]{64}$/);

/** What an approval of a call is bound to. All are strings, so that there is one canonical form (RFC 8785). */
export const BINDING: Readonly<Record<string, Rule>> = {
  approval_id: NAME,
  session_id: NAME,
  owner: NAME,
  subject: NAME,
  server: NAME,
  tool: NAME,
  action: NAME,
  definition_digest: NAME,
  arguments_digest: DIGEST,
  policy_hash: NAME,
  catalog_hash: NAME,
  policy_ids: NAME,
  expires_at: time,
};

const PREFIX = encodeUtf8('cmcp-approval-v1|');

/** How a request for approval can be answered. */
export type ApprovalVerdict = 'granted' | 'refused';

/** Names an approval's binding in each entry after the one that says it whole. */
export function approvalBindingDigest(binding: JsonObject): string {
  return jcsDigest(binding, 'the binding of an approval');
}

/** What an approver signs, and what an authenticator of another kind would have as its challenge: the binding and the answer. */
export function approvalSigningInput(
  binding: JsonObject,
  verdict: ApprovalVerdict,
  reason: string,
): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(...PREFIX, ...jcsBytes({ binding, verdict, reason }, 'the approval'));
}
