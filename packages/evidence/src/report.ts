import type { SessionCaller } from './audit/session-callers.ts';
import type { SessionFlow } from './audit/value-flows.ts';

/** What a check found (contracts section 5). */
export type Outcome = 'proven' | 'failed' | 'asserted' | 'not checked';

/** One question that the verifier asked, and its answer. */
export interface Check {
  /** Stable identifier, e.g. `claim.signature`. */
  id: string;
  /** The question in plain words. */
  title: string;
  outcome: Outcome;
  /** What it was checked against: a pin, a key, a flag. `null` when nothing was given. */
  against: string | null;
  /** What was found, in one plain sentence. */
  detail: string;
  /** True when the verdict needs this check proven. */
  required: boolean;
  /** For an unproven required check: what to pass or ask for, e.g. `--policy-hash sha256:…`. */
  remedy?: string;
  /** Parts of the file that the answer rests on, such as `claim.signature`; in reports on session files. */
  evidence?: string[];
}

/** `verified`: all required checks proven. `refused`: a check failed. `unverified`: consistent, but something required is not proven. */
export type Verdict = 'verified' | 'unverified' | 'refused';

/** The answer to `verify`: the same for any caller, any time, given the same file and expectations. */
export interface Report {
  verdict: Verdict;
  /** One sentence for a person. */
  summary: string;
  session_id: string | null;
  /** The claim's place in the row of claims of its store; null when no claim could be read. */
  claim: { session_id: string; number: number; digest: string; previous: string | null; key: string } | null;
  checks: Check[];
  /** Explicit relaxations that were in force, e.g. `--accept-software`. */
  relaxations: string[];
  /** Flags that would make the unproven required checks provable. */
  lacking: string[];
  /** What no check in this report speaks about, in plain words (contracts section 4). */
  residual: string[];
  /** Where values went, as entries say; absent where no call carried any and none came next to a sensitive domain. */
  flow?: SessionFlow;
  /** Who called, as entries say; absent where none says it. */
  callers?: SessionCaller[];
}
