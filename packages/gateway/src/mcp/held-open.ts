import type { Caller } from '../caller.ts';
import type { Clock } from '../clock.ts';

/** The longest that a timer of Node can wait. */
export const LONGEST_MS = 2 ** 31 - 1;

/** For how many milliseconds something may be held open for a caller: no longer than its credential lasts, and `mostMs`. */
export function heldAtMost({ expiresMicros }: Caller, clock: Clock, mostMs: number): number {
  if (expiresMicros === undefined) return mostMs;
  return Math.min(mostMs, Math.max(0, Math.ceil((expiresMicros - clock.nowMicros()) / 1000)));
}
