import type { Check, Outcome, Report } from '@cmcp/evidence';

/** How the verdict is shown. `good` is for a session that is verified with nothing relaxed, and for nothing else. */
export interface Standing {
  tone: 'good' | 'caution' | 'bad';
  word: string;
}

/** The verdict in a few words and a tone. What was relaxed has neither the colour nor the words of what was not. */
export function standingOf(report: Report): Standing {
  if (report.verdict === 'refused') return { tone: 'bad', word: 'Refused' };
  if (report.verdict === 'unverified') return { tone: 'caution', word: 'Consistent, not verified' };
  if (report.relaxations.length > 0) return { tone: 'caution', word: 'Accepted with relaxations' };
  return { tone: 'good', word: 'Verified' };
}

/** The checks that each relaxation speaks about, by the start of their ids. */
const RELAXES: Readonly<Record<string, readonly string[]>> = {
  '--accept-software': ['hardware.'],
  '--accept-software-tpm': ['hardware.'],
  '--accept-operator-root': ['hardware.root'],
  '--allow-mode': ['policy.mode'],
  '--unpinned-policy': ['policy.hash'],
  '--unpinned-catalog': ['catalog.hash'],
  '--allow-exceptions': ['catalog.exceptions'],
};

/** Whether a relaxation in force spares this check, or answers it with the person's word. */
export function isRelaxed(check: Check, { relaxations }: Report): boolean {
  const flags = relaxations.map((relaxation) => relaxation.split(' ')[0] ?? '');
  return flags.some((flag) => RELAXES[flag]?.some((prefix) => check.id.startsWith(prefix)));
}

/** From the worst to the best. */
const ORDER: readonly Outcome[] = ['failed', 'not checked', 'asserted', 'proven'];

/** The worst of some outcomes; `not checked` when there is none, since nothing asked is nothing shown. */
export function worst(outcomes: readonly Outcome[]): Outcome {
  return ORDER.find((outcome) => outcomes.includes(outcome)) ?? 'not checked';
}

/**
 * What some checks come to: those that the verdict needs, those that were relaxed, and any failure; or all, where it is none of
 * these. A relaxed check is at best asserted (UX-09).
 */
export function outcomeOf(checks: readonly Check[], report: Report): Outcome {
  const counts = (check: Check): boolean => check.required || check.outcome === 'failed' || isRelaxed(check, report);
  const needed = checks.some(counts) ? checks.filter(counts) : checks;
  return worst(needed.map((check) => resting(check.outcome, isRelaxed(check, report) ? 'asserted' : 'proven')));
}

/** What rests on something that is not proven is at best asserted, however well it fits together itself. */
export function resting(outcome: Outcome, ground: Outcome): Outcome {
  return outcome === 'proven' && ground !== 'proven' ? 'asserted' : outcome;
}

/** How many checks have each outcome. */
export function countsOf({ checks }: Report): Record<Outcome, number> {
  const count = (outcome: Outcome): number => checks.filter((check) => check.outcome === outcome).length;
  return {
    proven: count('proven'),
    asserted: count('asserted'),
    'not checked': count('not checked'),
    failed: count('failed'),
  };
}
