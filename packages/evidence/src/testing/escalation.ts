/** Makes sessions in which a call was approved. Not part of the package. */
import { approvalBindingDigest, approvalSigningInput } from '../escalation/statement.ts';
import { type AuditEntry, encodeBase64Url, type JsonObject, jwkThumbprint, type SessionFile } from '../index.ts';
import { blank, CATALOG_HASH, makeSession, numbered, POLICY_HASH, seal, type TestKey, timestamp } from './session.ts';

export const APPROVAL_ID = '3b0e6f0a-6d0c-4b43-9f5e-2a4a5f4b7c11';
/** What the call of these sessions was given, as bound. */
export const ARGUMENTS_DIGEST = `sha256:${'5c'.repeat(32)}`;

/** What an approval of these sessions is bound to: it expires well after it is used. */
export function bindingOf(sessionId: string): JsonObject {
  return {
    approval_id: APPROVAL_ID,
    session_id: sessionId,
    owner: '["bearer","agent-a",null,null]',
    subject: 'agent-a',
    server: 'payments',
    tool: 'pay',
    definition_digest: `sha256:${'1d'.repeat(32)}`,
    arguments_digest: ARGUMENTS_DIGEST,
    policy_hash: POLICY_HASH,
    catalog_hash: CATALOG_HASH,
    policy_ids: 'large-payments',
    expires_at: timestamp(1_790_000_060),
  };
}

/** One step: its action, and members of its detail that are other than usual. */
export type Step = [action: 'requested' | 'granted' | 'refused' | 'used' | 'expired', detail?: JsonObject];

export interface Told {
  steps: readonly Step[];
  /** Members of the entry of the call, and of its detail. */
  call?: Partial<AuditEntry>;
  detail?: JsonObject;
  commitments?: JsonObject;
  /** Anything else, before it is sealed. */
  change?: (entries: AuditEntry[]) => void;
}

export const SIGNED_BY = 'anna';

/** What is signed of an approval of `sessionId`, as members of its entry. */
export async function signedBy(
  approver: TestKey,
  sessionId: string,
  verdict: 'granted' | 'refused' = 'granted',
): Promise<JsonObject> {
  const signature = await approver.sign(
    approvalSigningInput(bindingOf(sessionId), { verdict, reason: 'checked', by: SIGNED_BY }),
  );
  return {
    signature_alg: 'EdDSA',
    signature_key_id: encodeBase64Url(jwkThumbprint(approver.x)),
    signature,
  };
}

/** A session of one call of `pay`, after the steps of its approval. `sign`: adds a signature to each grant. */
export async function approvedSession(
  key: TestKey,
  { steps, call = {}, detail = {}, commitments = {}, change }: Told,
  sign?: TestKey,
): Promise<SessionFile> {
  const file = await makeSession(key, [{ kind: 'allow', tool: 'pay', domain: 'pci_data', dataClass: 'pii' }]);
  const { entries, session_id } = file.bundle;
  const [start, ended] = entries;
  if (start === undefined || ended === undefined) throw new Error('a session without a call');
  Object.assign(start.detail ?? {}, commitments);
  const usual = usualDetails(session_id);
  const signature = sign === undefined ? {} : await signedBy(sign, session_id);
  const told = steps.map(([action, members = {}]): AuditEntry => {
    const more = action === 'granted' ? signature : {};
    return {
      ...blank(session_id, 'approval', 'public'),
      action: `approval_${action}`,
      tool_name: 'pay',
      server_identity: ended.server_identity,
      call_id: action === 'used' ? ended.call_id : null,
      detail: { ...usual[action], ...more, ...members },
    };
  });
  Object.assign(ended, { request_payload_hash: ARGUMENTS_DIGEST }, call, {
    detail: { ...ended.detail, approval_id: APPROVAL_ID, ...detail },
  });
  entries.splice(1, 0, ...told);
  change?.(entries);
  numbered(entries);
  await seal(file, key);
  return file;
}

function usualDetails(sessionId: string): Record<Step[0], JsonObject> {
  const binding = bindingOf(sessionId);
  const about = { approval_id: APPROVAL_ID, binding_digest: approvalBindingDigest(binding) };
  const answered = {
    ...about,
    channel: 'operator',
    by: SIGNED_BY,
    approvers: 'finance',
    reason: 'checked',
    asserted_by: 'gateway',
  };
  return {
    requested: { ...binding, approvers: 'finance', channels: 'operator', effect: 'step_up' },
    granted: answered,
    refused: answered,
    used: { ...about, arguments_digest: ARGUMENTS_DIGEST },
    expired: about,
  };
}
