import type { Check, Outcome, Report } from '@cmcp/evidence';
import { outcomeOf, resting } from './standing.ts';

/** One of the three questions that a person has about a session. */
export interface Step {
  title: string;
  outcome: Outcome;
  /** What the outcome means, in one sentence. */
  says: string;
  checks: Check[];
}

/** Starts of the ids of the checks that answer a question. What none names belongs to the records: nothing is left out. */
const CODE = ['hardware.measurement', 'gateway.', 'policy.', 'catalog.', 'session.commitments'];
const RUNTIME = ['hardware.', 'key.', 'claim.signature', 'claim.key_names', 'claim.platform', 'claim.nonce'];

const SAYS: Readonly<Record<'runtime' | 'code' | 'records', Record<Outcome, string>>> = {
  runtime: {
    proven: 'Genuine hardware, under a root that its maker vouches for, held the key that signed.',
    asserted: 'Somebody’s word, and no hardware that proves it, stands behind the key that signed.',
    'not checked': 'Nothing here shows what kind of machine held the key that signed.',
    failed: 'What vouches for the key that signed does not hold.',
  },
  code: {
    proven: 'The measured program, the policy and the catalog are the ones that you named.',
    asserted: 'Program, policy or catalog are what the gateway says, not what you named or the hardware shows.',
    'not checked': 'Program, policy or catalog were not compared with what was approved.',
    failed: 'Program, policy or catalog are not the ones that you named.',
  },
  records: {
    proven: 'No entry of this session is missing, added, reordered or changed, and the claim says what they say.',
    asserted: 'The records fit together; whoever held the key could have written them so.',
    'not checked': 'The records could not be checked from end to end.',
    failed: 'The records were changed, or do not say what the claim says of them.',
  },
};

/** The three questions with their answers (UX-03). The second and the third rest on the first. */
export function stepsOf(report: Report): Step[] {
  const starts = (check: Check, ids: readonly string[]): boolean => ids.some((id) => check.id.startsWith(id));
  const code = report.checks.filter((check) => starts(check, CODE));
  const runtime = report.checks.filter((check) => !code.includes(check) && starts(check, RUNTIME));
  const records = report.checks.filter((check) => !code.includes(check) && !runtime.includes(check));
  const ground = outcomeOf(runtime, report);
  const step = (title: string, kind: keyof typeof SAYS, checks: Check[], rests: Outcome): Step => {
    const outcome = resting(outcomeOf(checks, report), rests);
    return { title, outcome, says: SAYS[kind][outcome], checks };
  };
  return [
    step('The runtime is genuine', 'runtime', runtime, 'proven'),
    step('The code matches what was published', 'code', code, ground),
    step('The records are complete', 'records', records, ground),
  ];
}
