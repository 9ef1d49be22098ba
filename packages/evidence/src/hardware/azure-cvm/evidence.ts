import { notChecked } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { surplus } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import { snpEvidence } from '../sev-snp/evidence.ts';
import { COLLATERAL_ROLES } from '../tdx/collateral.ts';
import { tdxEvidence } from '../tdx/evidence.ts';
import { answers, challengesOf } from '../tpm/challenge.ts';
import { quoteChecks, quoteFacts, readQuote } from '../tpm/quote.ts';
import { authenticity, type EvidenceCheck, type EvidenceVerdict, evidenceVerdict, unreadable } from '../verdict.ts';
import { type AzureParts, partsOf } from './parts.ts';
import { bindingChecks, runtimeHash } from './verify.ts';

const PARTS = ['evidence', 'hcl_report', 'report', 'runtime_data'];
const SNP_ROLES = ['vcek', 'vlek', 'chain', 'crl'];
const TDX_ROLES = ['quote', ...COLLATERAL_ROLES];
const TPM_ROLES = ['attest', 'signature', 'signature_raw', 'pcrs', 'event_log'];

/**
 * Verifies and appraises evidence of a confidential VM on Azure: the report of the processor, the runtime data of the paravisor
 * whose hash it carries, and the quote of the virtual TPM whose key the runtime data names. Freshness rests on that quote
 * alone, so without it nothing is authentic. Total: any bytes give a verdict.
 *
 * @param files `hcl_report` (NV index 0x01400001), or its parts `report` and `runtime_data`, or `evidence`, the JSON of a claim; with
 * the roles of SEV-SNP (`vcek`, `chain`, …) or TDX (`quote` and collateral), and for the virtual TPM `attest`, `signature` (or
 * `signature_raw`), `pcrs`, `event_log`, `ak`. From the relying party: `nonce` and `report_data` (hex text, for the quote) and `test_root`
 */
export async function azureEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  try {
    return await judge(files, given);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return unreadable('azure-cvm', error.message);
  }
}

async function judge(supplied: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const parts = partsOf(supplied);
  const tee = await processorVerdict(parts, given);
  const quote = await quotePart(parts, given);
  const roles = [
    ...PARTS,
    ...(parts.tee === 'tdx' ? TDX_ROLES : SNP_ROLES),
    ...TPM_ROLES,
    'ak',
    'nonce',
    'report_data',
    'test_root',
  ];
  const checks = [
    ...bindingChecks(parts, tee.facts.report_data),
    ...quote.checks,
    ...tee.checks,
    ...surplus('azure-cvm', parts.files, roles),
  ];
  return evidenceVerdict('azure-cvm', checks, tee.root, { ...quote.facts, ...tee.facts, ...vmFacts(parts) });
}

/** The verdict on the report of the processor, in which REPORT_DATA must be what the paravisor puts there. */
function processorVerdict(parts: AzureParts, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const { nonce: _, userData: __, ...rest } = given;
  const hash = runtimeHash(parts);
  const expected = hash === null ? rest : { ...rest, userData: hash };
  if (parts.tee === 'tdx') return tdxEvidence(only(parts.files, [...TDX_ROLES, 'test_root']), expected);
  const report = parts.report === null ? {} : { report: parts.report };
  return snpEvidence({ ...only(parts.files, [...SNP_ROLES, 'test_root']), ...report }, expected);
}

function only(files: EvidenceFiles, roles: readonly string[]): EvidenceFiles {
  return Object.fromEntries(Object.entries(files).filter(([role]) => roles.includes(role)));
}

/** The quote of the virtual TPM, under the key that the runtime data names and no other. */
async function quotePart(
  { files, runtime }: AzureParts,
  given: EvidenceGiven,
): Promise<{ checks: EvidenceCheck[]; facts: EvidenceVerdict['facts'] }> {
  const quote = readQuote(files, null);
  if (quote === null) {
    const finding = notChecked(
      'there is no quote of the virtual TPM, and only that answers a challenge',
      '--file attest=FILE --file signature=FILE',
    );
    return { checks: [authenticity('azure-cvm.quote', 'Is there a quote of the virtual TPM?', finding)], facts: {} };
  }
  const signer = { key: runtime?.data.attestationKey ?? null, area: null, weakChain: false };
  const extraData = answers(quote.quote.extraData, challengesOf(files, given));
  const checks = await quoteChecks(quote, signer, { extraData, policy: given.policy?.tpm }, 'azure-cvm');
  return { checks, facts: quoteFacts(quote) };
}

/** What the paravisor says of the machine; REPORT_DATA covers it. */
function vmFacts({ tee, runtime }: AzureParts): EvidenceVerdict['facts'] {
  const said = runtime?.data;
  const facts = {
    vm_id: said?.vmId,
    vm_secure_boot: said?.secureBoot,
    vm_console_enabled: said?.consoleEnabled,
    vm_tpm_persisted: said?.tpmPersisted,
    vm_user_data: said?.userData,
  };
  const known = Object.entries(facts).flatMap(([name, value]) => (value == null ? [] : [[name, value] as const]));
  return { tee, ...Object.fromEntries(known) };
}
