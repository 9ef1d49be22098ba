import { Residue } from '../audit/residue.ts';
import { asksForAge } from '../claim/times.ts';
import { conclude } from '../conclude.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { jcsSignature } from '../jcs-signature.ts';
import { readJsonObject } from '../json/document.ts';
import { type JsonObject, member } from '../json/value.ts';
import { printable } from '../printable.ts';
import type { Check, Report } from '../report.ts';
import { subjectOfJwk } from '../revocation/subject.ts';
import { verifyRevocation } from '../revocation/verify.ts';
import { verifyAnchor } from '../transparency/verify.ts';
import type { TrustRecordExpectations } from './expectations.ts';
import { answers, issued } from './fresh.ts';
import { keyOf, trustedKey } from './key.ts';
import { levelReached } from './levels.ts';
import { parseTrustRecord, TRACE_PROFILE, type TrustRecord } from './parse.ts';
import { approvals, hardware } from './pins.ts';

const LIMITS = { bytes: 1024 * 1024, depth: 32, items: 20_000 };
const V01_PROFILE = 'tag:agentrust.io,2026:trace-v0.1';

/**
 * Verifies a TRACE Trust Record, version 0.2 (wire-formats section 9), offline. Total: any input gives a report. Reads no clock,
 * no network and no key but those in `expectations`; a key inside the record proves nothing but that the record is consistent.
 */
export async function verifyTrustRecord(
  input: Uint8Array | string,
  expectations: TrustRecordExpectations,
): Promise<Report> {
  const { record, checks } = open(input, expectations);
  if (record !== null) checks.push(...(await recordChecks(record, expectations)));
  // No session is in a Trust Record: what is concluded about sessions is left out.
  const report = conclude(checks, { claim: null, residue: new Residue() }, expectations);
  return { ...report, residual: residualOf(record) };
}

/** Profile and form, in this order: what another profile means is not known, so nothing else is said about it. */
function open(
  input: Uint8Array | string,
  { allowReferences = false }: TrustRecordExpectations,
): { record: TrustRecord | null; checks: Check[] } {
  const checks: Check[] = [];
  const form = (finding: Finding): number =>
    checks.push(required('trace.form', 'Has it the form of a Trust Record?', finding));
  try {
    const value = readJsonObject(input, 'the record', LIMITS);
    const profile = profileOf(value);
    checks.push(required('trace.profile', 'Is it a record of the profile that is read?', profile));
    if (profile.outcome !== 'proven') return { record: null, checks };
    const record = parseTrustRecord(value, { references: allowReferences });
    form(proven('it has'));
    return { record, checks };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    form(failed(error.message));
    return { record: null, checks };
  }
}

function profileOf(value: JsonObject): Finding {
  const profile = member(value, 'eat_profile');
  if (profile === TRACE_PROFILE) return proven('it is', TRACE_PROFILE);
  if (profile === V01_PROFILE)
    return failed('the record is of the profile TRACE v0.1, which is no longer accepted', TRACE_PROFILE);
  return failed('the record is of no profile that is known', TRACE_PROFILE);
}

/** The protocol in its order; all of it runs, so that the report is whole. */
async function recordChecks(record: TrustRecord, expectations: TrustRecordExpectations): Promise<Check[]> {
  const x = keyOf(record);
  const anchored = anchorChecks(record, expectations);
  const bounded = asksForAge(expectations) ? required : informative;
  const challenged = expectations.nonce === undefined ? informative : required;
  return [
    required('trace.key', 'Is the key that signed one that you trust?', trustedKey(x, expectations.keys ?? [])),
    ...(await revocationChecks(record, expectations)),
    bounded('trace.iat', 'Was the record issued recently?', issued(record, expectations)),
    challenged('trace.nonce', 'Does it answer the challenge?', answers(record, expectations.nonce)),
    required('trace.signature', 'Did the key in the record sign it?', await signature(record, x)),
    ...hardware(record, expectations),
    ...approvals(record, expectations),
    ...anchored,
    ...levelChecks(record, expectations, anchored),
    ...ownWords(record),
    ...unanswerable(expectations),
  ];
}

async function signature(record: TrustRecord, x: string | null): Promise<Finding> {
  if (x === null) return failed('the record has no Ed25519 key that could have signed it');
  return jcsSignature(record, x, 'the record', 'the key in the record');
}

async function revocationChecks(
  record: TrustRecord,
  { revocation = {}, inclusion, now }: TrustRecordExpectations,
): Promise<Check[]> {
  const subject = subjectOfJwk(record.cnf.jwk);
  if (subject === null) return [];
  const { checks } = await verifyRevocation(
    { ...subject, ...(inclusion === undefined ? {} : { inclusion }) },
    { ...revocation, ...(now === undefined ? {} : { now }) },
  );
  return checks;
}

function anchorChecks(record: TrustRecord, { anchor }: TrustRecordExpectations): Check[] {
  return anchor === undefined ? [] : verifyAnchor(record, anchor.entry, anchor.proof);
}

function levelChecks(record: TrustRecord, { level }: TrustRecordExpectations, anchored: readonly Check[]): Check[] {
  if (level === undefined) return [];
  const holds = anchored.length === 0 ? null : anchored.every((check) => !check.required || check.outcome === 'proven');
  return [required('trace.level', `Has it what TRACE level ${level} asks for?`, levelReached(record, level, holds))];
}

/** What the record says, and nothing in it proves. */
function ownWords(record: TrustRecord): Check[] {
  const { appraisal, build_provenance: build } = record;
  const checks = [
    informative(
      'trace.appraisal',
      'What was the platform found to be?',
      asserted(`${appraisal.status}, the record says, by ${printable(appraisal.verifier)}`),
    ),
    informative(
      'trace.build',
      'Where does the software come from?',
      asserted(`SLSA level ${build.slsa_level}, the record says; nothing was fetched and compared`),
    ),
  ];
  if (member(record, 'delegation') !== undefined) {
    const finding = notChecked('the record acted for another, whose record was not given');
    checks.push(informative('trace.delegation', 'Who delegated to it?', finding));
  }
  if (member(record, 'references') !== undefined) {
    const finding = notChecked('what the record refers to is not in it, and was not looked at');
    checks.push(informative('trace.references', 'Is what it refers to what it says?', finding));
  }
  return checks;
}

/** An expectation that no Trust Record can meet must not look met. */
function unanswerable({ catalogHash, rulesHash, minEvidenceClass, receipts = [] }: TrustRecordExpectations): Check[] {
  const asked = [catalogHash, rulesHash, minEvidenceClass].some((each) => each !== undefined);
  if (!asked && receipts.length === 0) return [];
  const finding = notChecked(
    'a Trust Record names no catalog, no inspection rules and no calls',
    'the session file, which does',
  );
  return [required('trace.expectations', 'Was all that you expected compared?', finding)];
}

function residualOf(record: TrustRecord | null): string[] {
  return [
    'A Trust Record carries no evidence of hardware: platform and measurement are what its signer says.',
    'Times are those of the signer: asserted.',
    ...(record?.runtime.platform === 'software-only'
      ? ['The key was a software key: whoever controlled the machine could have signed anything with it.']
      : []),
  ];
}
