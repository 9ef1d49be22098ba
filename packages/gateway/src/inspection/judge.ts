import {
  FINDING_KINDS,
  type Finding,
  type FindingKind,
  type InspectionRules,
  type InspectionSettings,
  OUTCOMES,
  type Outcome,
} from './types.ts';

/** What findings come to under the settings of what they were found in. */
export interface Judged {
  /** All that count. */
  findings: readonly Finding[];
  /** Those that are to be taken out, should the answer be passed on. */
  removed: readonly Finding[];
  /** Those that stay. */
  kept: readonly Finding[];
  /** The gravest outcome, and the first kind that has it; `off` where nothing was found. */
  outcome: Outcome;
  gravest: FindingKind | null;
}

/** Order makes no difference: the gravest outcome of any finding is that of the answer (D-28). */
export function judge(found: readonly Finding[], settings: InspectionSettings, rules: InspectionRules): Judged {
  const findings = found.flatMap((finding) => {
    const counted = rules.judged(finding);
    return counted === null || settings.outcomes[counted.kind] === 'off' ? [] : [{ ...finding, ...counted }];
  });
  const outcomeOf = ({ kind }: Finding): Outcome => settings.outcomes[kind];
  const kinds = new Set(findings.map(({ kind }) => kind));
  const outcome = OUTCOMES.findLast((each) => [...kinds].some((kind) => settings.outcomes[kind] === each)) ?? 'off';
  return {
    findings,
    removed: findings.filter((finding) => outcomeOf(finding) !== 'flag'),
    kept: findings.filter((finding) => outcomeOf(finding) === 'flag'),
    outcome,
    gravest: FINDING_KINDS.findLast((kind) => kinds.has(kind) && settings.outcomes[kind] === outcome) ?? null,
  };
}

export const isInjection = ({ kind }: Pick<Finding, 'kind'>): boolean => kind === 'injection' || kind === 'concealed';
