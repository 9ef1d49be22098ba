import { systemTimers, type Timers } from '../timers.ts';

/** Timers with a clock that never goes back, for time-outs and back-off. */
export interface MonotonicTimers extends Pick<Timers, 'after'> {
  nowMs(): number;
}

export const monotonicTimers: MonotonicTimers = { after: systemTimers.after, nowMs: () => performance.now() };
