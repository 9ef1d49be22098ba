import { verifyEd25519 } from '../crypto/ed25519.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from '../finding.ts';
import { member } from '../json/value.ts';
import { parseTimestamp } from '../time.ts';
import type { ManifestContext } from './context.ts';
import type { HitlApproval, ManifestDocument } from './document.ts';
import { recordBytes } from './preimage.ts';
import { type Stage, stage } from './stage.ts';

/** What became of the approvals that a manifest asks for (wire-formats section 16.4). */
export type HitlResult = 'APPROVED' | 'EXPIRED' | 'NOT_REQUIRED' | 'MISSING' | 'APPROVAL_INSUFFICIENT';

/** The verification of a manifest's approvals. */
export interface Approvals extends Stage {
  result: HitlResult;
}

/** How far an approver's clock may run ahead, in seconds. */
const SKEW = 300;
const TITLE = 'Did people approve the agent, as the manifest asks?';

/** Whether those who had to approve the manifest did, and their approvals are in force (wire-formats section 16.6). */
export async function approvalsOf(document: ManifestDocument, context: ManifestContext): Promise<Approvals> {
  const record = document.hitl_record ?? null;
  const approvals = record?.approvals ?? [];
  const enforced = context.enforceHitl === true;
  const ask = enforced ? required : informative;
  const answer = (result: HitlResult, finding: Finding, ...demands: 'UNVERIFIABLE'[]): Approvals => ({
    ...stage([ask('manifest.approvals', TITLE, finding)], ...demands),
    result,
  });
  if (!enforced && record?.required !== true) {
    return { ...stage([]), result: 'NOT_REQUIRED' };
  }
  if (approvals.length === 0) {
    const why = record === null ? 'the manifest has no record of approvals' : 'the manifest carries no approval';
    return answer('MISSING', enforced ? failed(why) : notChecked(why));
  }
  for (const approval of approvals) {
    const problem = timeProblem(approval, context.at) ?? strengthProblem(approval, context.conformanceLevel ?? 0);
    if (problem !== null) return answer(problem.result, failed(problem.why));
  }
  return answer('APPROVED', ...(await authenticity(document, approvals, context)));
}

interface Problem {
  result: HitlResult;
  why: string;
}

function timeProblem({ approved_at = '', approved_scope = {} }: HitlApproval, at: number): Problem | null {
  const approved = parseTimestamp(approved_at);
  const { approval_duration_seconds: duration = 0 } = approved_scope;
  if (approved === null || at > approved / 1e6 + duration) {
    return { result: 'EXPIRED', why: `the approval of ${approved_at || 'no time'} is over` };
  }
  return at + SKEW < approved / 1e6
    ? { result: 'APPROVAL_INSUFFICIENT', why: `the approval is of ${approved_at}, which is still to come` }
    : null;
}

/** From level 2 on, a software key is not enough, and where much is at risk only a hardware key is. */
function strengthProblem(
  { approval_method: method, approved_scope = {} }: HitlApproval,
  level: number,
): Problem | null {
  const risky = approved_scope.risk_tier === 'high' || approved_scope.risk_tier === 'critical';
  const weak = level >= 2 && (method === 'software-key' || (risky && method !== 'hardware-key'));
  return weak
    ? {
        result: 'APPROVAL_INSUFFICIENT',
        why: `an approval by ${method ?? 'no named means'} does not do at level ${level}`,
      }
    : null;
}

/** Whether the approvers signed: each approval is attached after the manifest was signed, and stands on its own signature. */
async function authenticity(
  document: ManifestDocument,
  approvals: readonly HitlApproval[],
  { approverKeys }: ManifestContext,
): Promise<[Finding, ...'UNVERIFIABLE'[]]> {
  if (approverKeys === undefined) {
    return [
      asserted('the manifest carries approvals in force; without the approvers’ keys they are not authenticated'),
    ];
  }
  for (const approval of approvals) {
    const key = member(approverKeys, approval.approver_id ?? '');
    if (typeof key !== 'string') {
      return [
        notChecked(`no key was given for the approver ${approval.approver_id}`, 'the approver’s key'),
        'UNVERIFIABLE',
      ];
    }
    const signature = approval.approval_signature ?? '';
    const result = await verifyEd25519(key, signature, approvalBytes(document.manifest_id, approval));
    if (result === 'unsupported') {
      return [notChecked('this engine has no Ed25519 in WebCrypto', 'another engine'), 'UNVERIFIABLE'];
    }
    if (result === 'invalid') return [failed(`the approval of ${approval.approver_id} is not signed by them`)];
  }
  return [proven('all approvals are in force and signed by their approvers', 'the keys of the approvers')];
}

function approvalBytes(
  manifestId: string,
  { approved_at, approved_scope, approver_id }: HitlApproval,
): Uint8Array<ArrayBuffer> {
  return recordBytes({ manifest_id: manifestId, approved_at, approved_scope, approver_id });
}
