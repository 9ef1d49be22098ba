import type { EntryDraft } from '@cmcp/evidence';
import { blankEntry } from '../audit/blank.ts';
import type { AuditLog, Exposure } from '../audit/types.ts';
import type { Exposures } from './exposure.ts';

/**
 * An operator lowers what a subject counts as having seen. The entry is in the chain of the session that the operator
 * named, and the lowered exposure is stored with it (contracts section 1).
 */
export async function resetExposure(
  log: AuditLog,
  exposures: Exposures,
  sessionId: string,
  exposed: string,
  operator: string,
  reason: string,
): Promise<Exposure> {
  const before = exposures.row(exposed);
  const exposure = exposures.reset(exposed);
  await log.append(sessionId, resetDraft(before.class, exposure, operator, reason), { exposure });
  return exposure;
}

function resetDraft(before: string, exposure: Exposure, operator: string, reason: string): EntryDraft {
  return {
    ...blankEntry('session_reset', 'session_reset'),
    session_sensitivity_before: before,
    session_sensitivity_after: exposure.class,
    detail: { authorized_by: operator, reason, generation: exposure.generation },
    caller: operator,
    caller_source: 'operator',
  };
}
