import { heldAtMost } from '../mcp/held-open.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';
import { isBlocked } from './unblocked.ts';

/**
 * How long a call waits for somebody who may approve it: for its time, and no longer than its session, its caller's credential, or
 * until it is stopped (D-49). `end` is called when it waits no more.
 */
export function patience(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  mostMs: number,
): { signal: AbortSignal; end: () => void } {
  const { timers, clock, sessions, stop } = deps;
  const over = new AbortController();
  const stopped = (): void => {
    if (isBlocked(deps, record, plan)) over.abort();
  };
  const waitMs = heldAtMost(record.caller, clock, mostMs);
  if (waitMs <= 0) over.abort();
  stopped();
  const ends = [
    timers.after(Math.max(0, waitMs), () => over.abort()),
    sessions.onClosing(record.session, () => over.abort()),
    stop.blocks.onBlocked(stopped),
  ];
  return {
    signal: over.signal,
    end: () => {
      for (const end of ends) end();
    },
  };
}
