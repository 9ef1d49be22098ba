import {
  encodeHex,
  type HclReport,
  parseHclReport,
  parseParavisorData,
  parseSnpReport,
  type SnpReport,
  samePublicKey,
  sha256,
} from '@cmcp/evidence';
import type { Tpm } from '../tpm/api.ts';
import { type AttestationKey, azureKey } from '../tpm/attestation-key.ts';
import { orAttestationFailed, tpmFailed } from '../tpm/failure.ts';
import { readNvIndex } from '../tpm/nv-certificates.ts';

/** Where the paravisor keeps its report (Azure guest attestation; attestation.md section 4). */
export const HCL_INDEX = 0x0140_0001;

/** The report of the paravisor: of the processor, over the key with which the virtual TPM quotes. */
export interface ParavisorReport extends HclReport {
  /** The contents of the NV index. */
  bytes: Uint8Array<ArrayBuffer>;
  /** null for a TDX guest: a TDREPORT shows nothing away from its machine. */
  snp: SnpReport | null;
}

/** The key of the virtual TPM, and what the processor says of it. */
export interface VirtualTpm {
  key: AttestationKey;
  report: ParavisorReport;
}

/**
 * Reads the report from the virtual TPM, and holds it against the key with which that quotes: what a verifier could not put together is
 * not handed out.
 *
 * @throws GatewayError ATTESTATION_FAILED, FormatError
 */
export async function readVirtualTpm(tpm: Tpm, signal?: AbortSignal): Promise<VirtualTpm> {
  const { key, bytes } = await orAttestationFailed(() =>
    tpm.run(
      async (commands) => ({ bytes: await readNvIndex(commands, HCL_INDEX), key: await azureKey(commands) }),
      signal,
    ),
  );
  if (bytes === null) throw tpmFailed('has no report of a paravisor: this is no confidential VM of Azure');
  const report = parsed(bytes);
  if (!samePublicKey(parseParavisorData(report.runtimeData).attestationKey, key.area.key)) {
    throw tpmFailed('quotes with another key than the report of the paravisor names');
  }
  return { key, report };
}

function parsed(bytes: Uint8Array<ArrayBuffer>): ParavisorReport {
  const hcl = parseHclReport(bytes);
  const snp = hcl.tee === 'sev-snp' ? parseSnpReport(hcl.report) : null;
  // The paravisor owns REPORT_DATA: SHA-256 over its data, and zeros.
  const bound = `${encodeHex(sha256(hcl.runtimeData))}${'00'.repeat(32)}`;
  if (snp !== null && encodeHex(snp.reportData) !== bound) {
    throw tpmFailed('has a report of the processor that does not cover what the paravisor says');
  }
  return { ...hcl, bytes, snp };
}
