import type { CallLog } from '../audit/call-log.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import type { Exposures } from '../session/exposure.ts';
import type { Sessions } from '../session/sessions.ts';

/** What the path works with; everything that has an effect is passed in. */
export interface PathDeps {
  log: CallLog;
  sessions: Sessions;
  exposures: Exposures;
  clock: Clock;
  config: Config;
  ranks: Ranks;
  platform: string;
  trustLevel: string;
  /** Operators learn what callers are not told. */
  report: (code: string, callId: string, detail: string) => void;
}
