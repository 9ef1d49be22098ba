import { LABELS } from '../detectors/rule.ts';
import { FINDING_KINDS, type FindingKind, type InspectionSettings, type Outcome, type SchemaMode } from '../types.ts';

/** How answers are inspected where no operator says otherwise. */
export const BUILT_IN_SETTINGS: InspectionSettings = {
  schema: 'redact',
  outcomes: {
    personal: 'flag',
    payment: 'redact',
    health: 'flag',
    secret: 'redact',
    injection: 'redact',
    concealed: 'deny',
    link: 'redact',
  },
  stream: 'windowed',
  linkHosts: [],
  maxBytes: null,
  budgetMs: 5000,
};

/** The sensitivity label that a finding of a kind gives, where nothing else is said. */
export const BUILT_IN_LABELS: Readonly<Record<FindingKind, string | null>> = {
  ...LABELS,
  injection: null,
  concealed: null,
  link: null,
};

/** Settings as an operator writes them: null stands for what holds without. */
export interface WrittenSettings {
  schema: SchemaMode | null;
  stream: InspectionSettings['stream'] | null;
  max_size: number | null;
  budget: number | null;
  link_hosts: string[] | null;
  outcomes: Readonly<Record<FindingKind, Outcome | null>>;
}

/** `base`, with what is written in its place. */
export function withWritten(base: InspectionSettings, written: WrittenSettings): InspectionSettings {
  const outcomes = FINDING_KINDS.map((kind): [FindingKind, Outcome] => [
    kind,
    written.outcomes[kind] ?? base.outcomes[kind],
  ]);
  return {
    schema: written.schema ?? base.schema,
    outcomes: Object.fromEntries(outcomes) as Record<FindingKind, Outcome>,
    stream: written.stream ?? base.stream,
    linkHosts: written.link_hosts ?? base.linkHosts,
    maxBytes: written.max_size ?? base.maxBytes,
    budgetMs: written.budget ?? base.budgetMs,
  };
}

/** What an operator released is passed: findings that an answer is held for are only flagged in it. All else is as ever. */
export function passing(settings: InspectionSettings): InspectionSettings {
  const outcomes = Object.entries(settings.outcomes).map(([kind, outcome]): [string, Outcome] => [
    kind,
    outcome === 'quarantine' ? 'flag' : outcome,
  ]);
  return { ...settings, outcomes: Object.fromEntries(outcomes) as InspectionSettings['outcomes'] };
}
