import type { MonotonicTimers } from '../../packages/gateway/src/upstream/monotonic.ts';

/** Timers that a test fires itself, by what they were set to. */
export interface ManualTimers {
  timers: MonotonicTimers;
  /** What is waited for, in milliseconds. */
  due: () => number[];
  /** Lets time pass without anything becoming due. */
  advance: (ms: number) => void;
  /** Fires the timer that was set to `ms`, once there is one; of several the first, or the last. */
  fire: (ms: number, which?: 'first' | 'last') => Promise<void>;
}

export function manualTimers(): ManualTimers {
  let now = 0;
  const set = new Map<object, { ms: number; run: () => void }>();
  const timers: MonotonicTimers = {
    nowMs: () => now,
    after: (ms, run) => {
      const key = {};
      set.set(key, { ms, run });
      return () => void set.delete(key);
    },
  };
  const fire: ManualTimers['fire'] = async (ms, which = 'first') => {
    for (;;) {
      const found = [...set].filter(([, timer]) => timer.ms === ms).at(which === 'first' ? 0 : -1);
      if (found !== undefined) {
        set.delete(found[0]);
        found[1].run();
        return;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const advance = (ms: number) => {
    now += ms;
  };
  return { timers, due: () => [...set.values()].map(({ ms }) => ms), advance, fire };
}
