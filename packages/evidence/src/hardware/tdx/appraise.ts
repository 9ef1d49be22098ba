import { decodeHex, encodeHex } from '../../bytes/hex.ts';
import { hash } from '../../crypto/sha2.ts';
import { asserted, type Finding, failed, notChecked, proven, provenUnless } from '../../finding.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import type { EvidencePolicy } from '../policy.ts';
import { challengeFinding, reportDataFinding } from '../report-data.ts';
import { acceptability, type EvidenceCheck, remark } from '../verdict.ts';
import type { TdxQuote } from './parse.ts';
import type { TdReport } from './td-report.ts';

/** The part of the policy that is about TDX. */
export type TdxPolicy = NonNullable<EvidencePolicy['tdx']>;

/** The measurement as claims write it: a digest of MRTD (wire-formats section 11.1). */
export function claimedMeasurement({ mrTd }: TdReport): string {
  return `sha384:${encodeHex(hash('sha384', decodeHex(mrTd)))}`;
}

/**
 * Whether the relying party accepts what the quote says of the guest. By default: the guest cannot be debugged, the TDX module is
 * Intel's, nothing is switched on that this verifier does not know, no bytes follow the quote that nobody signed; and every value
 * that `given` names is the one in the quote.
 */
export function appraiseGuest(quote: TdxQuote, files: EvidenceFiles, given: EvidenceGiven): EvidenceCheck[] {
  const { body } = quote;
  const policy = given.policy?.tdx ?? {};
  return [
    acceptability('tdx.trailing', 'Does the quote end where its signature data ends?', trailing(quote, policy)),
    acceptability('tdx.debug', 'Is the guest closed to its host?', debug(body, policy)),
    acceptability('tdx.module', "Is the TDX module Intel's own?", intelModule(body)),
    acceptability('tdx.attributes', 'Are all attributes of the guest known?', attributes(body)),
    acceptability('tdx.xfam', 'Are all extended features of the guest known?', xfam(body)),
    remark('acceptable', 'tdx.migratable', 'Does the guest stay on its machine?', migratable(body)),
    ...answers(quote, files, given),
    measurement(body, given.measurement),
    ...referenceValues(body, policy),
    ...septVeDisable(body, policy),
  ];
}

function trailing({ trailing: { bytes, zero } }: TdxQuote, { allowTrailingBytes }: TdxPolicy): Finding {
  if (bytes === 0) return proven('it does');
  if (zero) return proven(`${bytes} zero bytes follow it, as buffers of a fixed size leave them`);
  const detail = `${bytes} bytes that are not zero follow it; no signature covers them, and they were not read`;
  return allowTrailingBytes === true ? proven(`${detail}; the policy allows them`, 'the policy') : failed(detail);
}

/** Bits 0 to 7 of the attributes: a guest that has any of them on has no secrets from its host. */
function debug({ attributes: td }: TdReport, { allowDebug }: TdxPolicy): Finding {
  const on = [
    ...(td.debug ? ['DEBUG'] : []),
    ...(td.hgsPlusProfiling ? ['HGS_PLUS_PROF'] : []),
    ...(td.performanceProfiling ? ['PERF_PROF'] : []),
    ...(td.pmtProfiling ? ['PMT_PROF'] : []),
  ];
  if (on.length === 0) return proven('DEBUG and profiling are off');
  const detail = `${on.join(', ')} is on: the host can look into the guest`;
  return allowDebug === true ? proven(`${detail}; the policy allows it`, 'the policy') : failed(detail);
}

/** Intel's TDX module is known by a signer and attributes of zeros (TDX module specification, MRSIGNERSEAM). */
function intelModule({ mrSignerSeam, seamAttributes }: TdReport): Finding {
  if (!/^0*$/.test(mrSignerSeam)) return failed(`MRSIGNERSEAM is ${mrSignerSeam}, not zeros as for a module of Intel`);
  if (!/^0*$/.test(seamAttributes)) return failed(`SEAMATTRIBUTES is ${seamAttributes}, not zeros`);
  return proven('signer and attributes of the TDX module are zeros, as for a module of Intel');
}

function attributes({ attributes: td, attributesRaw }: TdReport): Finding {
  const problem = td.reserved === '0' ? null : `the attributes ${attributesRaw} have bits without a known meaning`;
  return provenUnless(problem, `the attributes are ${attributesRaw}`);
}

/** No TDX module makes a guest without x87 and SSE, or with features outside its list (TDX module specification, XFAM). */
function xfam({ xfam: features, xfamRaw }: TdReport): Finding {
  if (features.reserved !== '0') return failed(`XFAM ${xfamRaw} has bits without a known meaning`);
  if (!features.x87 || !features.sse) return failed(`XFAM ${xfamRaw} is without x87 or SSE, which every guest has`);
  return proven(`XFAM is ${xfamRaw}`);
}

function migratable({ attributes: td, mrServiceTd }: TdReport): Finding {
  if (!td.migratable) return proven('it cannot be migrated');
  return asserted(
    `it can be migrated by the service guest whose measurement hash is ${mrServiceTd ?? 'not in the quote'}`,
  );
}

function answers(quote: TdxQuote, files: EvidenceFiles, given: EvidenceGiven): EvidenceCheck[] {
  const title = 'Does REPORTDATA hold what was expected?';
  const finding = reportDataFinding(quote.body.reportData, files, given);
  const expected = finding.outcome !== 'not checked';
  const ask = expected ? acceptability : remarked;
  const checks = [ask('tdx.report_data', title, finding)];
  const unanswered = challengeFinding(files, given);
  if (unanswered === null) return checks;
  return [...checks, acceptability('tdx.nonce', 'Does the quote answer the challenge?', unanswered)];
}

function measurement(body: TdReport, expected: string | undefined): EvidenceCheck {
  const claimed = claimedMeasurement(body);
  const detail = `MRTD is ${body.mrTd}, in a claim ${claimed}`;
  const [id, title] = ['tdx.measurement', 'Is MRTD the expected measurement?'];
  if (expected === undefined) return remarked(id, title, notChecked(`${detail}; no reference value was given`));
  const same = [body.mrTd, claimed].includes(expected.toLowerCase());
  return acceptability(id, title, provenUnless(same ? null : detail, 'it is', expected));
}

/** Values of the guest that the policy names: what was measured into it, and what its owner set when it was launched. */
function referenceValues(body: TdReport, policy: TdxPolicy): EvidenceCheck[] {
  const one = (value: string | undefined) => (value === undefined ? undefined : [value]);
  const [rtmr0, rtmr1, rtmr2, rtmr3] = body.rtmr;
  return [
    ...among('MRTD', body.mrTd, policy.mrtd),
    ...among('MRSEAM', body.mrSeam, policy.mrSeam),
    ...among('RTMR0', rtmr0, policy.rtmr?.['0']),
    ...among('RTMR1', rtmr1, policy.rtmr?.['1']),
    ...among('RTMR2', rtmr2, policy.rtmr?.['2']),
    ...among('RTMR3', rtmr3, policy.rtmr?.['3']),
    ...among('MRCONFIGID', body.mrConfigId, one(policy.mrConfigId)),
    ...among('MROWNER', body.mrOwner, one(policy.mrOwner)),
    ...among('MROWNERCONFIG', body.mrOwnerConfig, one(policy.mrOwnerConfig)),
  ];
}

function among(name: string, found: string, allowed: readonly string[] | undefined): EvidenceCheck[] {
  if (allowed === undefined) return [];
  const problem = allowed.includes(found) ? null : `${name} is ${found}, which the policy does not list`;
  const finding = provenUnless(problem, `${name} is ${found}`, 'the policy');
  return [acceptability(`tdx.${name.toLowerCase()}`, `Is ${name} a value that the policy lists?`, finding)];
}

function septVeDisable({ attributes: td }: TdReport, { requireSeptVeDisable }: TdxPolicy): EvidenceCheck[] {
  if (requireSeptVeDisable !== true) return [];
  const off = 'SEPT_VE_DISABLE is not set: the host can inject exceptions by taking pages away';
  const finding = provenUnless(td.septVeDisable ? null : off, 'SEPT_VE_DISABLE is set', 'the policy');
  return [acceptability('tdx.sept_ve_disable', 'Is the guest safe from page exceptions?', finding)];
}

function remarked(id: string, title: string, finding: Finding): EvidenceCheck {
  return remark('acceptable', id, title, finding);
}
