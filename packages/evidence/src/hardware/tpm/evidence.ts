import { notChecked, provenUnless } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { fileOf, surplus } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import {
  acceptability,
  authenticity,
  type EvidenceCheck,
  type EvidenceVerdict,
  evidenceVerdict,
  unreadable,
} from '../verdict.ts';
import { type AttestationKey, attestationKey } from './attestation-key.ts';
import { certificateTrust } from './chain-trust.ts';
import { answers, type Challenge, challengesOf } from './challenge.ts';
import { nvCertifyChecks } from './nv-certify.ts';
import { type NvEnvelope, parseNvEnvelope } from './nv-envelope.ts';
import { type QuoteParts, quoteChecks, quotedRoot, quoteFacts, readQuote } from './quote.ts';

const ROLES = [
  'attest',
  'signature',
  'signature_raw',
  'ak',
  'ak_public',
  'ak_chain',
  'ak_transcript',
  'ek_chain',
  'pcrs',
  'event_log',
  'nv_certify',
  'nonce',
  'report_data',
  'test_root',
];
const QUOTE_REMEDY = 'a quote (role attest) and its signature (role signature)';

/**
 * Verifies and appraises evidence of a TPM 2.0: a quote, a certified NV index, or certificates alone. Total: any bytes give a verdict.
 *
 * @param files `attest` (TPMS_ATTEST, bare or with its size) and `signature` (TPMT_SIGNATURE; or `signature_raw`, a bare RSASSA
 * value); for the key `ak_chain` (PEM, in any order), `ak_public` (TPMT_PUBLIC), `ek_chain`, `ak_transcript`; `pcrs` (JSON of values by
 * bank); `event_log`; `nv_certify` (JSON of a gateway's measurement in an NV index). Without any of these `cert_chain`. From the relying party, never from a file that is under verification: `ak`
 * (PEM of a key that it trusts), `nonce` and `report_data` (hex text) and `test_root`
 */
export async function tpmEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  try {
    const signed = isQuoted(files) || fileOf(files, 'nv_certify') !== undefined;
    const alone = !signed && fileOf(files, 'cert_chain') !== undefined;
    return alone ? await certificatesAlone(files, given) : await signedEvidence(files, given);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return unreadable('tpm', error.message);
  }
}

async function signedEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const signer = await attestationKey(files, given);
  const challenges = challengesOf(files, given);
  const quote = readQuote(files, signer.area);
  const nvFile = fileOf(files, 'nv_certify');
  const nv = nvFile === undefined ? null : parseNvEnvelope(nvFile);
  const needed = nv === null || isQuoted(files);
  const checks = [
    ...(quote === null ? (needed ? [missingQuote()] : []) : await judged(quote, signer, challenges, given)),
    ...signer.checks,
    ...(nv === null ? [] : await nvCertifyChecks(nv, signer, challenges)),
    ...surplus('tpm', files, ROLES),
  ];
  const firmware = (quote?.quote ?? nv?.post.attest)?.firmwareVersion ?? null;
  const facts = { ...(nv === null ? {} : nvFacts(nv)), ...(quote === null ? {} : quoteFacts(quote)) };
  return evidenceVerdict('tpm', checks, quotedRoot(signer.root, firmware), facts);
}

function isQuoted(files: EvidenceFiles): boolean {
  return ['attest', 'signature', 'signature_raw'].some((role) => fileOf(files, role) !== undefined);
}

function missingQuote(): EvidenceCheck {
  const finding = notChecked('there is no quote with a signature', QUOTE_REMEDY);
  return authenticity('tpm.quote', 'Is there a quote?', finding);
}

function judged(
  parts: QuoteParts,
  signer: AttestationKey,
  challenges: readonly Challenge[],
  { measurement, policy }: EvidenceGiven,
): Promise<EvidenceCheck[]> {
  const extraData = answers(parts.quote.extraData, challenges);
  return quoteChecks(parts, signer, { extraData, measurement, policy: policy?.tpm });
}

function nvFacts({ post, gatewayDigest }: NvEnvelope): EvidenceVerdict['facts'] {
  return { nv_index_name: post.attest.indexName, nv_gateway_digest: gatewayDigest };
}

/** A chain that holds, without a quote, says that such a TPM exists and nothing about a platform. */
async function certificatesAlone(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const { kind, device, finding, root, weak } = await certificateTrust(files, given);
  const checks = [
    authenticity('tpm.certificate', 'Does the certificate chain lead to a root that is trusted?', finding),
    acceptability(
      'tpm.algorithms',
      'Are all algorithms acceptable?',
      provenUnless(weak ? 'a certificate in the chain is signed with SHA-1' : null, 'the chain uses no SHA-1'),
    ),
    acceptability(
      'tpm.quote',
      'Is the state of the platform acceptable?',
      notChecked('there is no quote, only certificates', QUOTE_REMEDY),
    ),
    ...surplus('tpm', files, ['cert_chain', 'test_root']),
  ];
  const named = device === null ? {} : { manufacturer: device.manufacturer ?? '', model: device.model ?? '' };
  return evidenceVerdict('tpm', checks, root, { certificate: kind, ...named });
}
