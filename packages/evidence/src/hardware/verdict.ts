import { type Finding, failed, notChecked, proven } from '../finding.ts';
import type { Check } from '../report.ts';

/** The kinds of hardware evidence that this package reads. */
export const EVIDENCE_KINDS = ['sev-snp', 'tdx', 'tpm', 'azure-cvm', 'nvidia'] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

/**
 * One question about evidence. `authentic`: signature, chain to a pinned root, internal binding. `acceptable`: debug off, TCB,
 * freshness, reference values; the policy of the relying party. Two questions, two answers (attestation.md section 1).
 */
export interface EvidenceCheck extends Check {
  about: 'authentic' | 'acceptable';
}

/** A question on which `authentic` depends, with its answer. */
export function authenticity(id: string, title: string, finding: Finding): EvidenceCheck {
  return check('authentic', id, title, finding, true);
}

/** A question on which `acceptable` depends, with its answer. */
export function acceptability(id: string, title: string, finding: Finding): EvidenceCheck {
  return check('acceptable', id, title, finding, true);
}

/** A question that is reported, and holds nothing up unless it failed. */
export function remark(about: 'authentic' | 'acceptable', id: string, title: string, finding: Finding): EvidenceCheck {
  return check(about, id, title, finding, false);
}

function check(
  about: 'authentic' | 'acceptable',
  id: string,
  title: string,
  { remedy, ...rest }: Finding,
  required: boolean,
): EvidenceCheck {
  return { id, title, ...rest, required, ...(remedy === null || !required ? {} : { remedy }), about };
}

/** What vouches at the end of a chain, and on whose word it is trusted. */
export interface TrustedRoot {
  name: string;
  /** SHA-256 over the DER certificate, or over the SPKI of a pinned key, lower-case hex. */
  fingerprint: string;
  /** `vendor`: shipped with this package. `operator`: given by the relying party. `test`: a test root, never production. `key`: a pinned public key without a chain. */
  source: 'vendor' | 'operator' | 'test' | 'key';
  /** What kind of device the root vouches for, where that matters to a reader: a cloud provider's virtual TPM is not a chip. */
  assurance: 'silicon' | 'cloud-vtpm' | 'software-tpm' | 'unknown';
}

/** The answer to "is this evidence authentic, and is it acceptable?" */
export interface EvidenceVerdict {
  kind: EvidenceKind;
  /** Every authenticity check that is required is proven. Nothing supplied is not authentic. */
  authentic: boolean;
  /** true: every required acceptability check is proven. false: not authentic, or one failed. null: one could not be decided. */
  acceptable: boolean | null;
  /** One sentence for a person. */
  summary: string;
  root: TrustedRoot | null;
  checks: EvidenceCheck[];
  /** What the evidence says, by name, for people and for comparisons: measurements and digests as hex, flags as booleans. */
  facts: Record<string, string | number | boolean>;
}

/** Puts the checks of one piece of evidence together. */
export function evidenceVerdict(
  kind: EvidenceKind,
  checks: EvidenceCheck[],
  root: TrustedRoot | null,
  facts: EvidenceVerdict['facts'],
): EvidenceVerdict {
  const of = (about: 'authentic' | 'acceptable') => checks.filter((each) => each.about === about);
  const holds = (each: EvidenceCheck) => (each.required ? each.outcome === 'proven' : each.outcome !== 'failed');
  // A verifier that asked nothing has shown nothing.
  const asked = of('authentic').some((each) => each.required);
  const authentic = asked && of('authentic').every(holds);
  const failure = of('acceptable').some((each) => each.outcome === 'failed');
  const undecided = !of('acceptable').every(holds);
  const acceptable = !authentic || failure ? false : undecided ? null : true;
  return { kind, authentic, acceptable, summary: summaryOf(checks, authentic, acceptable, root), root, checks, facts };
}

/** What no vendor vouches for is not told in the words of what one does. */
const UNDER: Record<TrustedRoot['source'], string> = {
  vendor: '',
  operator: ' under a root that you named',
  test: ' under a test root',
  key: ' with a key that you pinned',
};

function summaryOf(
  checks: readonly EvidenceCheck[],
  authentic: boolean,
  acceptable: boolean | null,
  root: TrustedRoot | null,
): string {
  const open = (about: 'authentic' | 'acceptable') =>
    checks.find((each) => each.about === about && each.outcome === 'failed')?.detail ??
    checks.find((each) => each.about === about && each.required && each.outcome !== 'proven')?.detail ??
    'nothing was supplied';
  if (!authentic) return `Not authentic: ${open('authentic')}.`;
  if (acceptable === false) return `Authentic, not acceptable: ${open('acceptable')}.`;
  if (acceptable === null) return `Authentic; whether it is acceptable is not decided: ${open('acceptable')}.`;
  return `Authentic and acceptable${root === null ? '' : UNDER[root.source]}.`;
}

/** The verdict on evidence that could not be read at all. */
export function unreadable(kind: EvidenceKind, problem: string): EvidenceVerdict {
  return evidenceVerdict(
    kind,
    [authenticity('evidence.form', 'Has it the form of such evidence?', failed(problem))],
    null,
    {},
  );
}

/** `proven` when the two are equal, `failed` when not, `not checked` when nothing was expected. */
export function expectation(
  equal: boolean | null,
  said: { holds: string; differs: string; missing: string },
  against: string,
  remedy: string | null = null,
): Finding {
  if (equal === null) return notChecked(said.missing, remedy);
  return equal ? proven(said.holds, against) : failed(said.differs, against);
}
