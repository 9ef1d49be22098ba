import { blankEntry } from '../audit/blank.ts';
import { GatewayError } from '../errors.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** An exception ends at its time, also while what it was in force with is still being put away (W-31). */
export function requireNotOver({ item }: Plan): void {
  if (item.server.exception?.isOver() === true)
    throw new GatewayError('TOOL_NOT_IN_CATALOG', `the exception for ${item.name} is over`);
}

/** Each use of a tool that only an exception allows is told before anything is sent (wire-formats section 6.6). */
export async function recordException(deps: PathDeps, record: CallRecord, { item, asked }: Plan): Promise<void> {
  const { exception } = item.server;
  if (exception === undefined) return;
  await deps.log.append(record.session.id, {
    ...blankEntry('break_glass_used', asked.action),
    tool_name: item.name,
    server_identity: item.server.identity,
    session_sensitivity_before: record.before.class,
    session_sensitivity_after: record.before.class,
    detail: { exception_id: exception.id, authorized_by: exception.authorizedBy, used_by_call: record.callId },
  });
}
