import type { Expectations } from '../../expectations.ts';
import { asserted, type Finding, failed, notChecked, proven } from '../../finding.ts';
import type { Check } from '../../report.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import type { PlatformKind } from './claimed-evidence.ts';

export const EVIDENCE = ['hardware.evidence', 'Is there genuine, acceptable evidence of hardware?'] as const;
export const MEASUREMENT = [
  'hardware.measurement',
  'Is the platform in the measured state that was expected?',
] as const;

/** The check of each kind that compares what the platform was given with what was expected. */
export const BINDING: Record<PlatformKind, string> = {
  'sev-snp': 'sev-snp.report_data',
  tdx: 'tdx.report_data',
  tpm: 'tpm.extra_data',
  'azure-cvm': 'azure-cvm.extra_data',
};

/** Whether the evidence is authentic and acceptable, in one answer. */
export function evidenceFinding({ acceptable, summary, checks }: EvidenceVerdict): Finding {
  const detail = summary.replace(/\.$/, '');
  if (acceptable === true) return proven('the evidence is authentic and acceptable');
  if (checks.some(({ outcome }) => outcome === 'failed')) return failed(detail);
  return notChecked(detail, checks.find(({ remedy }) => remedy !== undefined)?.remedy ?? null);
}

/** null when authentic evidence carries what that check expected; else what keeps it from being shown. */
export function carried({ authentic, checks }: EvidenceVerdict, id: string): Finding | null {
  const found = checks.find((check) => check.id === id);
  if (found?.outcome === 'failed') return failed(`the evidence was made for something else: ${found.detail}`);
  if (authentic && found?.outcome === 'proven') return null;
  return notChecked('the evidence is not shown to be authentic');
}

/**
 * Whether the platform is in the state that the relying party named.
 *
 * @param measured as claims write it (wire-formats section 11.1); null when the evidence shows none
 * @param speaker who says so, such as `the claim says`
 */
export function stateFinding(
  measured: string | null,
  speaker: string,
  authentic: boolean,
  { measurement: expected }: Pick<Expectations, 'measurement'>,
): Finding {
  const said = `${speaker} ${measured ?? 'nothing about it'}`;
  if (expected === undefined) return asserted(`${said}, and no reference value was given`, '--measurement DIGEST');
  if (expected !== measured) return failed(said, expected);
  if (!authentic) return notChecked('the evidence is not shown to be authentic');
  return proven('the evidence shows the reference value', expected);
}

/** A check of the evidence itself: its failure refuses; what it leaves open is said by the checks that sum up. */
export function asDetail({ id, title, outcome, against, detail }: Check): Check {
  return { id: `hardware.${id}`, title, outcome, against, detail, required: false };
}
