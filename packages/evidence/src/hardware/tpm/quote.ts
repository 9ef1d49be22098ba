import { equalBytes } from '../../bytes/equal.ts';
import { encodeHex } from '../../bytes/hex.ts';
import type { HashName } from '../../crypto/sha2.ts';
import { type Finding, failed, notChecked, provenUnless } from '../../finding.ts';
import { type EventLog, parseEventLog } from '../event-log/parse.ts';
import { fileOf, type Reading, reading } from '../files.ts';
import type { EvidenceFiles } from '../given.ts';
import type { EvidencePolicy } from '../policy.ts';
import { acceptability, authenticity, type EvidenceCheck, remark, type TrustedRoot } from '../verdict.ts';
import { algorithms, eventLog, measurement, measurementOf, referenceValues, selection } from './appraise.ts';
import { softwareRoot } from './chain-trust.ts';
import { parseQuote, selectionText, type TpmQuote } from './parse.ts';
import { type PcrValues, parsePcrValues } from './pcr-values.ts';
import type { TpmPublic } from './public-area.ts';
import { parseSignature, type TpmSignature } from './signature.ts';
import { type AttestSigner, attestSignature, pcrDigest } from './verify.ts';

/** A quote with what comes beside it. */
export interface QuoteParts {
  quote: TpmQuote;
  signature: TpmSignature;
  /** A bare signature that came beside the whole one. */
  bare: Uint8Array<ArrayBuffer> | null;
  /** Nothing of these is signed, so one that cannot be read takes nothing from the quote. */
  values: Reading<PcrValues> | null;
  log: Reading<EventLog> | null;
}

/** What the relying party expects of a quote. */
export interface QuoteExpectations {
  /** Whether extraData is what was asked for; `not checked` when nothing was. */
  extraData: Finding;
  measurement?: string | undefined;
  policy?: EvidencePolicy['tpm'] | undefined;
}

/** Registers that software may reset without a restart (TCG PC Client Platform TPM Profile, PCR attributes). */
const RESETTABLE = [16, 23];
/** Where a measured loader records the gateway. */
const LAUNCH_PCR = 13;
/** The firmware version of the TCG reference code as libtpms builds it, which is what swtpm runs. */
const SOFTWARE_FIRMWARE = '2019102300163636';

/**
 * Reads a quote from the roles `attest`, `signature` (or `signature_raw`), `pcrs` and `event_log`; null when there is no quote or no
 * signature. A bare signature is RSASSA with the hash that the public area names, else SHA-256.
 *
 * @throws FormatError when quote or signature cannot be read
 */
export function readQuote(files: EvidenceFiles, area: TpmPublic | null): QuoteParts | null {
  const attest = fileOf(files, 'attest');
  const [whole, bare] = [fileOf(files, 'signature'), fileOf(files, 'signature_raw')];
  const signature = readSignature(whole, bare, area);
  if (attest === undefined || signature === null) return null;
  const values = fileOf(files, 'pcrs');
  const log = fileOf(files, 'event_log');
  return {
    quote: parseQuote(attest),
    signature,
    bare: (whole === undefined ? null : bare) ?? null,
    values: values === undefined ? null : reading(() => parsePcrValues(values)),
    log: log === undefined ? null : reading(() => parseEventLog(log)),
  };
}

function readSignature(
  whole: Uint8Array<ArrayBuffer> | undefined,
  bare: Uint8Array<ArrayBuffer> | undefined,
  area: TpmPublic | null,
): TpmSignature | null {
  if (whole !== undefined) return parseSignature(whole);
  return bare === undefined ? null : { scheme: 'rsassa', hash: area?.scheme?.hash ?? 'sha256', value: bare };
}

/**
 * Verifies and appraises a quote under the key that should have signed it (attestation.md section 2.6). Whether that key is to be
 * trusted is another question.
 *
 * @param prefix of the ids of the checks
 */
export async function quoteChecks(
  parts: QuoteParts,
  signer: AttestSigner,
  expected: QuoteExpectations,
  prefix = 'tpm',
): Promise<EvidenceCheck[]> {
  const { quote, signature } = parts;
  const values = parts.values?.value ?? null;
  const signed = await attestSignature(quote.signed, signature, signer);
  const digest = pcrDigest(quote, signature.hash, values);
  const asked = digest.outcome === 'not checked' ? remark.bind(null, 'authentic') : authenticity;
  const known = digest.outcome === 'proven' ? values : null;
  return [
    authenticity(`${prefix}.signature`, 'Did the attestation key sign the quote?', signed),
    ...sameSignature(prefix, parts),
    asked(`${prefix}.pcr_digest`, 'Are the PCR values those that were quoted?', digest),
    ...unreadableValues(prefix, parts),
    acceptability(
      `${prefix}.algorithms`,
      'Are all algorithms acceptable?',
      algorithms(quote, signature.hash, signer.weakChain),
    ),
    challenge(prefix, expected.extraData),
    measured(prefix, quote, signature.hash, expected.measurement),
    ...policyChecks(prefix, quote, known, expected.policy ?? {}),
    ...logCheck(prefix, parts, known),
    ...resettable(prefix, quote),
  ];
}

function sameSignature(prefix: string, { signature, bare }: QuoteParts): EvidenceCheck[] {
  if (bare === null) return [];
  const same = signature.scheme === 'rsassa' && equalBytes(bare, signature.value);
  const problem = same ? null : 'the bare signature (signature_raw) is not the RSASSA value in the role signature';
  const finding = provenUnless(problem, 'the bare signature is the value in the role signature');
  return [authenticity(`${prefix}.signature_raw`, 'Are both forms of the signature the same one?', finding)];
}

function unreadableValues(prefix: string, { values }: QuoteParts): EvidenceCheck[] {
  if (values === null || values.problem === null) return [];
  return [acceptability(`${prefix}.pcrs`, 'Can the PCR values be read?', failed(values.problem))];
}

function challenge(prefix: string, finding: Finding): EvidenceCheck {
  const asked = finding.outcome === 'not checked' ? remark.bind(null, 'acceptable') : acceptability;
  return asked(`${prefix}.extra_data`, 'Does the quote answer the challenge?', finding);
}

function measured(prefix: string, quote: TpmQuote, hash: HashName, expected: string | undefined): EvidenceCheck {
  const id = `${prefix}.measurement`;
  const title = 'Does the quote show the expected measurement?';
  if (expected !== undefined) return acceptability(id, title, measurement(quote, hash, expected));
  return remark('acceptable', id, title, notChecked('no measurement was expected'));
}

function policyChecks(
  prefix: string,
  quote: TpmQuote,
  values: PcrValues | null,
  policy: NonNullable<EvidencePolicy['tpm']>,
): EvidenceCheck[] {
  const checks: EvidenceCheck[] = [];
  if (policy.selection === undefined && selectionText(quote.selection) === '') {
    const finding = failed('the quote covers no register, so it says nothing about the platform');
    checks.push(acceptability(`${prefix}.selection`, 'Does the quote cover any register?', finding));
  }
  if (policy.selection !== undefined) {
    const finding = selection(quote, policy.selection);
    checks.push(acceptability(`${prefix}.selection`, 'Does the quote cover the registers of the policy?', finding));
  }
  if (policy.pcrs !== undefined) {
    const finding = referenceValues(quote, values, policy.pcrs);
    checks.push(acceptability(`${prefix}.reference_pcrs`, 'Have the registers their reference values?', finding));
  }
  if (policy.firmwareVersions !== undefined) {
    const listed = policy.firmwareVersions.includes(quote.firmwareVersion);
    const problem = listed ? null : `the firmware of the TPM is ${quote.firmwareVersion}`;
    const finding = provenUnless(
      problem,
      `the firmware is ${quote.firmwareVersion}`,
      policy.firmwareVersions.join(', '),
    );
    checks.push(acceptability(`${prefix}.firmware`, 'Is the firmware of the TPM one of the policy?', finding));
  }
  return checks;
}

function logCheck(prefix: string, { quote, signature, log }: QuoteParts, values: PcrValues | null): EvidenceCheck[] {
  if (log === null) return [];
  const finding = log.problem === null ? eventLog(quote, signature.hash, values, log.value) : failed(log.problem);
  return [acceptability(`${prefix}.event_log`, 'Does the event log lead to the quoted registers?', finding)];
}

function resettable(prefix: string, quote: TpmQuote): EvidenceCheck[] {
  const found = quote.selection.flatMap(({ indexes }) => indexes.filter((index) => RESETTABLE.includes(index)));
  if (found.length === 0) return [];
  const finding = notChecked(
    `any program can reset PCR ${[...new Set(found)].join(' and ')}: they say nothing about the start`,
  );
  return [remark('acceptable', `${prefix}.resettable`, 'Does every quoted register speak of the start?', finding)];
}

/** A TPM that says of itself that it is a program is not called anything better, whoever vouches for its key. */
export function quotedRoot(root: TrustedRoot | null, firmwareVersion: string | null): TrustedRoot | null {
  if (root === null || firmwareVersion !== SOFTWARE_FIRMWARE) return root;
  return softwareRoot(root);
}

/** What a quote says, for people and comparisons. */
export function quoteFacts({ quote, signature, values }: QuoteParts): Record<string, string | number | boolean> {
  const covered = quote.selection.some(({ bank, indexes }) => bank === 'sha256' && indexes.includes(LAUNCH_PCR));
  const launch = covered ? values?.value?.get('sha256')?.get(LAUNCH_PCR) : undefined;
  const { resetCount, restartCount, milliseconds, safe } = quote.clock;
  const measurement = measurementOf(quote, signature.hash);
  return {
    extra_data: encodeHex(quote.extraData),
    pcr_selection: selectionText(quote.selection),
    pcr_digest: encodeHex(quote.pcrDigest),
    ...(measurement === null ? {} : { measurement }),
    // As it is said beside the quote: it counts only together with the check of the digest, which covers selected registers alone.
    ...(launch === undefined ? {} : { launch_register: encodeHex(launch) }),
    signature: `${signature.scheme}-${signature.hash}`,
    qualified_signer: quote.qualifiedSigner,
    firmware_version: quote.firmwareVersion,
    clock_ms: milliseconds.toString(),
    clock_safe: safe,
    reset_count: resetCount,
    restart_count: restartCount,
  };
}
