import { notChecked, provenUnless } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { fileOf, surplus } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import { acceptability, authenticity, type EvidenceVerdict, evidenceVerdict, unreadable } from '../verdict.ts';
import { attestationKey, certificateTrust } from './attestation-key.ts';
import { answers, challengesOf } from './challenge.ts';
import { quoteChecks, quotedRoot, quoteFacts, readQuote } from './quote.ts';

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
  'nonce',
  'test_root',
];
const QUOTE_REMEDY = 'a quote (role attest) and its signature (role signature)';

/**
 * Verifies and appraises evidence of a TPM 2.0: a quote, or certificates alone. Total: any bytes give a verdict.
 *
 * @param files `attest` (TPMS_ATTEST, bare or with its size) and `signature` (TPMT_SIGNATURE; or `signature_raw`, a bare RSASSA
 * value); for the key `ak_chain` (PEM, leaf first), `ak_public` (TPMT_PUBLIC), `ek_chain`, `ak_transcript`; `pcrs` (JSON of values by
 * bank); `event_log`. Without a quote `cert_chain`. From the relying party, never from a file that is under verification: `ak`
 * (PEM of a key that it trusts), `nonce` (hex text) and `test_root`
 */
export async function tpmEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  try {
    const quoted = fileOf(files, 'attest') !== undefined || fileOf(files, 'signature') !== undefined;
    const alone = !quoted && fileOf(files, 'cert_chain') !== undefined;
    return alone ? await certificatesAlone(files, given) : await quoteEvidence(files, given);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return unreadable('tpm', error.message);
  }
}

async function quoteEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const signer = await attestationKey(files, given);
  const parts = readQuote(files, signer.area);
  const unused = surplus('tpm', files, ROLES);
  if (parts === null) {
    const finding = notChecked('there is no quote with a signature', QUOTE_REMEDY);
    const missing = authenticity('tpm.quote', 'Is there a quote?', finding);
    return evidenceVerdict('tpm', [missing, ...signer.checks, ...unused], null, {});
  }
  const expected = {
    extraData: answers(parts.quote.extraData, challengesOf(files, given)),
    measurement: given.measurement,
    policy: given.policy?.tpm,
  };
  const checks = [...signer.checks, ...(await quoteChecks(parts, signer, expected)), ...unused];
  return evidenceVerdict('tpm', checks, quotedRoot(signer.root, parts.quote), quoteFacts(parts));
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
