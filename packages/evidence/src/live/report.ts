import { verdictOf } from '../conclude.ts';
import type { Check, Verdict } from '../report.ts';
import { type LiveExpectations, liveRelaxationsOf, memberOf } from './expectations.ts';
import type { LiveStatement } from './statement.ts';

/** The answer to `verifyLiveAttestation` and `verifyMachineEvidence`. */
export interface LiveReport {
  verdict: Verdict;
  /** One sentence for a person. */
  summary: string;
  /** What a gateway stated; null when nothing could be read, and for a machine. Only as good as the verdict. */
  statement: LiveStatement | null;
  checks: Check[];
  /** Relaxations that were in force, by their names in a file of expectations. */
  relaxations: string[];
  /** Members of a file of expectations that would make the unproven required checks provable. */
  lacking: string[];
  /** What no check in this report speaks about, in plain words. */
  residual: string[];
}

const HARDWARE =
  'Hardware makers, their firmware, and physical attacks on the machine are trusted or left out of account.';
const SOFTWARE = 'The key is a software key: whoever controls the machine can sign anything with it.';

/** The report on `checks`: one failure refuses, and only what has all required checks proven is verified. */
export function liveReport(
  checks: readonly Check[],
  expectations: LiveExpectations,
  subject: { statement: LiveStatement | null; software: boolean; residual: string[] },
): LiveReport {
  const worded = checks.map((check) =>
    check.remedy === undefined ? check : { ...check, remedy: memberOf(check.remedy) },
  );
  const relaxations = liveRelaxationsOf(expectations);
  const { verdict, summary, open } = verdictOf(worded, relaxations);
  return {
    verdict,
    summary: verdict === 'verified' && subject.software ? `${summary} No hardware vouches for it.` : summary,
    statement: subject.statement,
    checks: worded,
    relaxations,
    lacking: [...new Set(open.flatMap(({ remedy }) => remedy ?? []))],
    residual: [...subject.residual, subject.software ? SOFTWARE : HARDWARE],
  };
}
