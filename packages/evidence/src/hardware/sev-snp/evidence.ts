import { encodeHex } from '../../bytes/hex.ts';
import { type Certificate, readCertificates } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { anchorsFor, trustedRoot } from '../anchors.ts';
import { fileOf, reading, surplus } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import {
  acceptability,
  authenticity,
  type EvidenceCheck,
  type EvidenceVerdict,
  evidenceVerdict,
  remark,
} from '../verdict.ts';
import { appraiseSnp, claimedMeasurement } from './appraise.ts';
import { type Endorsement, readEndorsement } from './endorsement.ts';
import { parseReport, type SnpReport } from './parse.ts';
import { type Product, productOf, readTcb, tcbText } from './product.ts';
import { revocation } from './revocation.ts';
import { type AmdChain, verifySnp } from './verify.ts';

const ROLES = ['report', 'vcek', 'vlek', 'chain', 'crl', 'report_data', 'nonce', 'test_root'];
const CERTIFICATE = 'Is there a certificate of the key that signs?';

/**
 * Verifies and appraises an attestation report of AMD SEV-SNP. Total: any bytes give a verdict.
 *
 * @param files `report` (1184 bytes), `vcek` or `vlek` and `chain` (ASK or ASVK, and ARK; PEM or DER, in any order), `crl` of the
 * ARK (DER), `report_data` and `nonce` (hex text: what REPORT_DATA should hold, and the challenge), and `test_root`, which the relying party may give instead of
 * production roots
 */
export async function snpEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const unused = surplus('sev-snp', files, ROLES);
  const file = fileOf(files, 'report');
  const title = 'Is there a report that can be read?';
  if (file === undefined) {
    const missing = notChecked('no report was supplied', '--file report=FILE');
    return evidenceVerdict('sev-snp', [authenticity('sev-snp.report', title, missing), ...unused], null, {});
  }
  const report = reading(() => parseReport(file));
  if (report.problem !== null) {
    const checks = [authenticity('sev-snp.report', title, failed(report.problem)), ...unused];
    return evidenceVerdict('sev-snp', checks, null, {});
  }
  const form = authenticity('sev-snp.report', title, proven(`an SEV-SNP report, version ${report.value.version}`));
  const { checks, chain, product } = await signer(files, given, file, report.value);
  const appraisal = appraiseSnp(report.value, product, files, given);
  const root = chain === null ? null : trustedRoot(chain.anchor);
  return evidenceVerdict('sev-snp', [form, ...checks, ...appraisal, ...unused], root, facts(report.value, product));
}

interface Signer {
  checks: EvidenceCheck[];
  chain: AmdChain | null;
  product: Product | null;
}

/** Who signed the report, as the supplied certificates show it. */
async function signer(
  files: EvidenceFiles,
  given: EvidenceGiven,
  bytes: Uint8Array<ArrayBuffer>,
  report: SnpReport,
): Promise<Signer> {
  const role = roleOf(files, report);
  const leaf = fileOf(files, role);
  if (leaf === undefined) return nobody(report, notChecked(`no ${role} was supplied`, `--file ${role}=FILE`));
  const material = reading(() => ({
    endorsement: readEndorsement(single(readCertificates(leaf))),
    issuers: issuersOf(files),
    anchors: anchorsFor(given, 'amd-sev', fileOf(files, 'test_root')),
  }));
  if (material.problem !== null) return nobody(report, failed(material.problem));
  const { endorsement, issuers, anchors } = material.value;
  const { checks, chain } = await verifySnp({ bytes, report, endorsement, issuers }, anchors, given.at);
  const found = proven(`a certificate of ${endorsement.certificate.subject.commonName}, given as ${role}`);
  return {
    checks: [
      authenticity('sev-snp.certificate', CERTIFICATE, found),
      ...checks,
      await revoked(files, given, endorsement, chain),
      ...both(files, role),
    ],
    chain,
    product: report.cpuid === null ? endorsement.product : productOf(report.cpuid),
  };
}

/** Without a certificate that can be read, no signature shows anything. */
function nobody({ cpuid }: SnpReport, finding: Finding): Signer {
  const unsigned = notChecked('without a certificate of the key, the signature shows nothing');
  const checks = [
    authenticity('sev-snp.certificate', CERTIFICATE, finding),
    authenticity('sev-snp.signature', 'Did that key sign the report?', unsigned),
  ];
  return { checks, chain: null, product: cpuid === null ? null : productOf(cpuid) };
}

/** Where the certificate is: under the kind of key that the report names, or under the other one. Which key it is of, its subject says. */
function roleOf(files: EvidenceFiles, { key }: SnpReport): 'vcek' | 'vlek' {
  const [named, other] = key.signingKey === 'vlek' ? (['vlek', 'vcek'] as const) : (['vcek', 'vlek'] as const);
  return fileOf(files, named) === undefined && fileOf(files, other) !== undefined ? other : named;
}

function both(files: EvidenceFiles, used: 'vcek' | 'vlek'): EvidenceCheck[] {
  const other = used === 'vcek' ? 'vlek' : 'vcek';
  if (fileOf(files, other) === undefined) return [];
  const detail = `one key signs a report: ${used} was read, ${other} was not`;
  return [remark('authentic', 'sev-snp.keys', 'Is there one certificate of a key?', notChecked(detail))];
}

function single(certificates: Certificate[]): Certificate {
  const [certificate, ...more] = certificates;
  if (certificate === undefined || more.length > 0) {
    throw new FormatError('the certificate of the key should be one certificate; its issuers belong into chain');
  }
  return certificate;
}

function issuersOf(files: EvidenceFiles): Certificate[] {
  const chain = fileOf(files, 'chain');
  return chain === undefined ? [] : readCertificates(chain);
}

async function revoked(
  files: EvidenceFiles,
  { at, policy }: EvidenceGiven,
  { certificate }: Endorsement,
  chain: AmdChain | null,
): Promise<EvidenceCheck> {
  const crl = fileOf(files, 'crl');
  const [id, title] = ['sev-snp.revocation', 'Is no certificate of the chain revoked?'];
  const finding =
    chain === null
      ? notChecked('there is no chain whose certificates could be revoked')
      : await revocation(crl, certificate, chain, at);
  const needed = crl !== undefined || policy?.sevSnp?.requireCrl === true;
  return needed ? acceptability(id, title, finding) : remark('acceptable', id, title, finding);
}

function facts(report: SnpReport, product: Product | null): EvidenceVerdict['facts'] {
  const { policy, platform, key } = report;
  const tcb = (bytes: Uint8Array): string =>
    (product === null ? null : reading(() => tcbText(readTcb(bytes, product))).value) ?? encodeHex(bytes);
  return {
    report_version: report.version,
    ...(product === null ? {} : { product }),
    measurement: claimedMeasurement(report),
    measurement_field: encodeHex(report.measurement),
    report_data: encodeHex(report.reportData),
    host_data: report.hostData,
    id_key_digest: report.idKeyDigest,
    author_key_digest: report.authorKeyDigest,
    chip_id: encodeHex(report.chipId),
    signing_key: key.signingKey,
    guest_svn: report.guestSvn,
    vmpl: report.vmpl,
    debug: policy.debug,
    migration_agent: policy.migrationAgent,
    guest_smt_allowed: policy.smt,
    single_socket: policy.singleSocket,
    reported_tcb: tcb(report.reportedTcb),
    committed_tcb: tcb(report.committedTcb),
    current_tcb: tcb(report.currentTcb),
    platform_smt: platform.smt,
    platform_tsme: platform.tsme,
    platform_ecc: platform.ecc,
    platform_rapl_disabled: platform.raplDisabled,
    platform_ciphertext_hiding: platform.ciphertextHiding,
    platform_alias_check: platform.aliasCheck,
    ...(report.currentMitigations === null ? {} : { mitigations: report.currentMitigations }),
  };
}
