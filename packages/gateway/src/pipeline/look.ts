import type { JsonValue } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { classifiable } from '../inspection/classifier/texts.ts';
import { inspecting } from '../inspection/inspector.ts';
import { type Judged, judge } from '../inspection/judge.ts';
import { rewriting } from '../inspection/rewrite.ts';
import { passing } from '../inspection/rules/settings.ts';
import { inTurns } from '../inspection/turns.ts';
import type { Finding, FindingKind, InspectionSettings } from '../inspection/types.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import { rankOf } from '../policy/sensitivity.ts';
import { higher, type Sensitivity } from '../session/exposure.ts';
import type { PathDeps } from './deps.ts';
import type { CallRecord } from './record.ts';

/** How what this call gives is inspected: as the operator has it for the tool, resource or prompt that is asked for. */
export function settingsOf({ session, plan, name }: CallRecord): InspectionSettings {
  return session.authority.inspection.settingsFor(plan?.item.name ?? name);
}

/** Runs every scan over something that a server gave, and records what was found. Rejects with INSPECTION_FAILED. */
export async function lookAt(deps: PathDeps, record: CallRecord, value: JsonValue): Promise<Judged> {
  const { inspection: rules } = record.session.authority;
  const settings = record.released === null ? settingsOf(record) : passing(settingsOf(record));
  const work = inspecting(value, deps.inspection.how(rules, settings));
  const { findings, notScanned } = await inTurns(work, settings.budgetMs, deps.inspection.turns);
  const told = await classified(deps, record, value, settings.budgetMs);
  const judged = judge([...findings, ...told], settings, rules);
  record.inspected.saw(judged, notScanned);
  return judged;
}

/** What the operator's classifier says. Rejects with INSPECTION_FAILED when it says nothing and nothing may pass without. */
async function classified(deps: PathDeps, record: CallRecord, value: JsonValue, budgetMs: number): Promise<Finding[]> {
  const { classifier, turns } = deps.inspection;
  if (classifier === null) return [];
  try {
    const passages = await inTurns(classifiable(value), budgetMs, turns);
    if (passages.length === 0) return [];
    const findings = await classifier.classify(record.plan?.item.name ?? record.name, passages);
    record.inspected.classified('ok');
    return findings;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    record.inspected.classified('failed');
    deps.report('classifier.failed', record.callId, error.detail);
    if (classifier.onFailure === 'deny') throw error;
    return [];
  }
}

/** The value without findings and copies of them, which is recorded; as it is, where the mode passes everything. */
export async function takeOut<T extends JsonValue>(
  deps: PathDeps,
  record: CallRecord,
  value: T,
  findings: readonly Finding[],
): Promise<T> {
  record.inspected.ran('redaction');
  if (findings.length === 0) return value;
  const rewritten = await inTurns(rewriting(value, findings), settingsOf(record).budgetMs, deps.inspection.turns);
  record.inspected.took(rewritten.removed);
  // Types are kept.
  return record.inspected.applied ? (rewritten.value as T) : value;
}

/** Why what was found is not passed on; null: it may be, without what is taken out. `holds`: it may be released later. */
export function refusalOf({ outcome, gravest }: Judged, holds: boolean): GatewayError | null {
  if (gravest === null || (outcome !== 'deny' && outcome !== 'quarantine')) return null;
  if (outcome === 'quarantine' && holds) return new GatewayError('RESPONSE_QUARANTINED', `it holds: ${gravest}`);
  return new GatewayError(REFUSED_FOR[gravest] ?? 'RESPONSE_CONTENT_REFUSED', `it holds: ${gravest}`);
}

const REFUSED_FOR: Partial<Record<FindingKind, 'RESPONSE_INJECTION_DETECTED'>> = {
  injection: 'RESPONSE_INJECTION_DETECTED',
  concealed: 'RESPONSE_INJECTION_DETECTED',
};

/** The class of whoever sees what has these labels, beside what was expected. */
export function raisedBy(ranks: Ranks, expected: Sensitivity, labels: readonly string[]): Sensitivity {
  return [...new Set(labels)].map((label) => ({ class: label, rank: rankOf(ranks, label) })).reduce(higher, expected);
}

/** The labels that findings give to whoever sees them. */
export const labelsOf = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ label, raises }) => (label === null || raises === false ? [] : [label]));
