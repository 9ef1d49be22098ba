import { channel } from 'node:diagnostics_channel';

/**
 * Where the time of a governed call goes, in the order in which a call passes: `intent`, `upstream` and `record` are waits (for the
 * disk, the server and the disk), the others work.
 */
export type Stage =
  | 'http-in'
  | 'admit'
  | 'resolve'
  | 'flow'
  | 'decide'
  | 'prepare'
  | 'intent'
  | 'upstream'
  | 'inspect'
  | 'decide-answer'
  | 'release'
  | 'record'
  | 'http-out';

/** What is published when a stage ends: names and microseconds, nothing of what was sent (architecture rule 7). */
export interface StageTime {
  stage: Stage;
  micros: number;
}

/** Subscribed to by whoever measures a gateway in its own process; costs a branch when nobody does. */
export const STAGE_CHANNEL = 'cmcp.stage';

/** Says that a stage ended, and that the next one begins. */
export type Lap = (stage: Stage) => void;

const stages = channel(STAGE_CHANNEL);
const NOBODY: Lap = () => {};

/** Starts to measure, from now. */
export function laps(): Lap {
  if (!stages.hasSubscribers) return NOBODY;
  let since = performance.now();
  return (stage) => {
    const now = performance.now();
    stages.publish({ stage, micros: (now - since) * 1000 } satisfies StageTime);
    since = now;
  };
}
