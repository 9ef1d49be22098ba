import { encodeUtf8 } from '../bytes/utf8.ts';
import { type SignatureResult, verifyEd25519 } from '../crypto/ed25519.ts';
import { digest } from '../crypto/sha256.ts';
import { canonicalSorted } from '../json/canonical.ts';
import type { JsonObject } from '../json/value.ts';
import { type Rule, text, time } from '../shape.ts';

const NAME = text(/^[ -~]{1,1024}$/);
const DIGEST = text(/^sha256:[0-9a-f]{64}$/);

/** What an approval of a call is bound to. All are strings, so that there is one canonical form. */
export const BINDING: Readonly<Record<string, Rule>> = {
  approval_id: NAME,
  session_id: NAME,
  owner: NAME,
  subject: NAME,
  server: NAME,
  tool: NAME,
  definition_digest: NAME,
  arguments_digest: DIGEST,
  policy_hash: NAME,
  catalog_hash: NAME,
  policy_ids: text(/^[ -~]{1,65536}$/),
  expires_at: time,
};

/** How a request for approval can be answered. */
export type ApprovalVerdict = 'granted' | 'refused';

/** Names an approval's binding in each entry after the one that says it whole. */
export function approvalBindingDigest(binding: JsonObject): string {
  return digest(canonicalSorted(binding));
}

/**
 * What an approver signs, and what an authenticator of another kind would have as its challenge: the binding, the answer, and whose it is,
 * so that nobody gives the word of another as their own.
 */
export function approvalSigningInput(
  binding: JsonObject,
  { verdict, reason, by }: { verdict: ApprovalVerdict; reason: string; by: string },
): Uint8Array<ArrayBuffer> {
  return encodeUtf8(`cmcp-approval-v1|${canonicalSorted({ binding, verdict, reason, by })}`);
}

/** Whether the Ed25519 key `x` (base64url) made `signature` (base64url) over an answer. */
export function verifyApprovalSignature(
  x: string,
  signature: string,
  ...signed: Parameters<typeof approvalSigningInput>
): Promise<SignatureResult> {
  return verifyEd25519(x, signature, approvalSigningInput(...signed));
}
