import type { PolicyDecision } from '@cmcp/evidence';
import type { ErrorCode } from '../errors.ts';
import type { PathDeps } from './deps.ts';
import type { CallRecord } from './record.ts';

/** What was refused for being stopped, or for a limit, says nothing more of the agent. */
const NOT_COUNTED: readonly (ErrorCode | null)[] = ['BLOCKED', 'LIMIT_EXCEEDED'];

/**
 * Looks whether the call that is being entered crosses a threshold: in the turn in which its entry is handed to the log, so that what
 * comes next is decided under the block (D-49). `code`: what it was refused with; null: it was not.
 */
export function noteEnd(
  { stop }: PathDeps,
  record: CallRecord,
  decision: PolicyDecision,
  code: ErrorCode | null,
): void {
  const { caller, id } = record.session;
  stop.thresholds.ended({
    agent: caller.subject,
    session: id,
    decision: NOT_COUNTED.includes(code) ? 'n/a' : decision,
    injection: record.inspected.foundInstructions,
  });
}
