import { encodeHex } from '../../bytes/hex.ts';
import { samePublicKey } from '../../crypto/key.ts';
import { sha256 } from '../../crypto/sha256.ts';
import { notChecked, provenUnless } from '../../finding.ts';
import { fileOf } from '../files.ts';
import { readPublicKey } from '../tpm/attestation-key.ts';
import { authenticity, type EvidenceCheck, remark } from '../verdict.ts';
import type { AzureParts } from './parts.ts';

/** What REPORT_DATA of the report must start with, because the paravisor puts it there: SHA-256 over the runtime data. */
export function runtimeHash(parts: AzureParts): Uint8Array<ArrayBuffer> | null {
  return parts.runtime === null ? null : sha256(parts.runtime.bytes);
}

/**
 * The questions about how the parts hang together (attestation.md section 4).
 *
 * @param reportData REPORT_DATA of the SEV-SNP report or TD quote, hex; undefined when there is none that could be read
 */
export function bindingChecks(parts: AzureParts, reportData: unknown): EvidenceCheck[] {
  return [binding(parts, reportData), ...agreement(parts), ...statedKey(parts), ...tdReport(parts)];
}

/** The report signs the keys of the virtual TPM only through this hash; the second half of REPORT_DATA is zeros. */
function binding(parts: AzureParts, reportData: unknown): EvidenceCheck {
  const id = 'azure-cvm.runtime_data';
  const title = 'Is the runtime data the one that the report names?';
  const hash = runtimeHash(parts);
  if (hash === null) return authenticity(id, title, notChecked('there is no runtime data', '--file runtime_data=FILE'));
  if (typeof reportData !== 'string') return authenticity(id, title, notChecked('there is no report to compare with'));
  const problem =
    reportData === encodeHex(hash) + '00'.repeat(32) ? null : 'REPORT_DATA is not SHA-256 over the runtime data';
  return authenticity(id, title, provenUnless(problem, 'REPORT_DATA is SHA-256 over the runtime data', reportData));
}

function agreement({ agree }: AzureParts): EvidenceCheck[] {
  if (agree === null) return [];
  const problem = agree ? null : 'report or runtime data are not those in the report of the paravisor';
  const finding = provenUnless(
    problem,
    'report and runtime data are those in the report of the paravisor',
    'hcl_report',
  );
  return [authenticity('azure-cvm.parts', 'Are the parts those of the whole?', finding)];
}

/** A key that comes beside the runtime data is no pin: it must only be the same. */
function statedKey({ files, runtime }: AzureParts): EvidenceCheck[] {
  const stated = fileOf(files, 'ak');
  if (stated === undefined || runtime === null) return [];
  const same = samePublicKey(readPublicKey(stated), runtime.data.attestationKey);
  const problem = same ? null : 'the attestation key that was supplied is not the one in the runtime data';
  const finding = provenUnless(problem, 'the attestation key that was supplied is the one in the runtime data');
  return [authenticity('azure-cvm.ak', 'Is it the attestation key of the runtime data?', finding)];
}

function tdReport({ tee, report }: AzureParts): EvidenceCheck[] {
  if (tee !== 'tdx' || report === null) return [];
  const finding = notChecked('a TDREPORT shows nothing away from its machine; the TD quote counts');
  return [remark('authentic', 'azure-cvm.td_report', 'Does the TDREPORT hold?', finding)];
}
