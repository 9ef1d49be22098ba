import type { JsonObject } from '@cmcp/evidence';
import type { AuditLog } from '../audit/types.ts';
import type { Caller } from '../caller.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { ApprovalDesk } from '../escalation/types.ts';
import type { Classifier } from '../inspection/classifier/classifier.ts';
import type { Inspecting } from '../inspection/inspector.ts';
import type { Turns } from '../inspection/turns.ts';
import type { InspectionRules, InspectionSettings } from '../inspection/types.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import type { Quarantine } from '../quarantine/quarantine.ts';
import type { DecisionRecorder } from '../recording/recorder.ts';
import type { Scopes } from '../scopes.ts';
import type { Exposures } from '../session/exposure.ts';
import type { OpenClaims } from '../session/open-claims.ts';
import type { Sessions } from '../session/sessions.ts';
import type { SessionEntries } from '../stop/session-entries.ts';
import type { Stop } from '../stop/stop.ts';
import type { Timers } from '../timers.ts';
import type { ParkedCalls } from './parked.ts';
import type { RequestStates } from './request-states.ts';
import type { TaskHandles } from './task-handles.ts';
import type { WaitingTasks } from './waiting-tasks.ts';

/** How the path looks through what servers give. */
export interface PathInspection {
  /** The scans of a rule set, for what has these settings. */
  how: (rules: InspectionRules, settings: InspectionSettings) => Inspecting;
  turns: Turns;
  /** The operator's; null: there is none. */
  classifier: Pick<Classifier, 'classify' | 'onFailure'> | null;
  /** Where answers are kept until an operator releases them. */
  quarantine: Pick<Quarantine, 'hold' | 'take'>;
}

/** What the path works with; everything that has an effect is passed in. */
export interface PathDeps {
  log: AuditLog;
  sessions: Sessions;
  exposures: Exposures;
  states: RequestStates;
  parked: ParkedCalls;
  tasks: TaskHandles;
  /** Claims of sessions that go on. */
  claims: Pick<OpenClaims, 'ofCall'>;
  /** What credentials were issued for. */
  scopes: Scopes;
  /** Calls that wait for approvals, as tasks. */
  waiting: WaitingTasks;
  clock: Clock;
  timers: Timers;
  config: Config;
  /** Where decisions are recorded; null: nowhere. */
  recorder: DecisionRecorder | null;
  inspection: PathInspection;
  desk: Pick<ApprovalDesk, 'open' | 'answer' | 'answered' | 'use'>;
  /** What is stopped, and how much may be used. */
  stop: Stop;
  stopEntries: Pick<SessionEntries, 'enter'>;
  ranks: Ranks;
  platform: string;
  trustLevel: string;
  /** Enters in the gateway chain what is refused before there is a session to enter it in. */
  event: (action: string, caller: Caller, detail: JsonObject) => Promise<void>;
  /** Operators learn what callers are not told. */
  report: (code: string, callId: string, detail: string) => void;
}
