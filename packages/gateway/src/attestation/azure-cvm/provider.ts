import { encodeUtf8, equalBytes, parseTdxQuote, type SnpReport, sha256, snpMeasurement } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { pemBlock, pemOf } from '../certificate-chain.ts';
import type { Collateral } from '../collateral/folder.ts';
import { tdxPlatform } from '../collateral/tdx-platform.ts';
import type { Tpm } from '../tpm/api.ts';
import type { AttestationKey } from '../tpm/attestation-key.ts';
import { extendLaunchRegister, readLaunchRegister } from '../tpm/launch-register.ts';
import { ALL_STATIC_PCRS, type Quote, takeQuotes } from '../tpm/quotes.ts';
import { base64, besideClaim, orNoEvidence } from '../tsm/provider.ts';
import { type SnpCertificates, snpCertificates } from '../tsm/snp-certificates.ts';
import type { CollectedEvidence, EvidenceProvider, LaunchRegister, LiveEvidence } from '../types.ts';
import { hostQuote, type MetadataFetch } from './metadata-service.ts';
import { type ParavisorReport, readVirtualTpm } from './paravisor-report.ts';
import { withHostCertificates } from './processor-certificates.ts';

export interface AzureCvmOptions {
  /** The virtual TPM. Closed by the provider, also when it cannot be opened. */
  tpm: Tpm;
  collateral: Collateral;
  metadata: MetadataFetch;
}

/** TDREPORT_STRUCT of the TDX module: what the host turns into a quote. */
const TD_REPORT_BYTES = 1024;
const BOUND_BYTES = 64;

/**
 * Evidence of a confidential VM on Azure: the report of the processor is over the key of the virtual TPM, and that key answers challenges
 * (wire-formats sections 10 and 11.4). Sessions need SEV-SNP: claims have no name for a TDX guest of Azure.
 *
 * @throws GatewayError ATTESTATION_FAILED when this is no such VM
 */
export async function openAzureCvmProvider(options: AzureCvmOptions): Promise<EvidenceProvider> {
  try {
    await orNoEvidence('azure-cvm', () => readVirtualTpm(options.tpm));
  } catch (error) {
    await options.tpm.close();
    throw error;
  }
  return new AzureCvmProvider(options);
}

class AzureCvmProvider implements EvidenceProvider {
  readonly kind = 'azure-cvm';
  readonly capabilities = { runtimeExtend: true, sealing: true, rollbackCounter: true };
  readonly #options: AzureCvmOptions;
  /** The report changes when the VM starts or moves, so its certificates are looked for again only then. */
  #certified: { report: Uint8Array; certificates: SnpCertificates } | null = null;

  constructor(options: AzureCvmOptions) {
    this.#options = options;
  }

  collect(bound: readonly Uint8Array[], signal?: AbortSignal): Promise<CollectedEvidence[]> {
    return orNoEvidence('azure-cvm', async () => {
      const { tpm } = this.#options;
      const { key, report } = await readVirtualTpm(tpm, signal);
      const { snp } = report;
      if (snp === null) throw nameless();
      const certificates = await this.#certificatesOf(report, snp);
      const collected: CollectedEvidence[] = [];
      // One after the other, and not as a batch: claims of this platform have no room for a path (wire-formats section 11.4).
      for (const each of bound) {
        const quote = await quoted(tpm, key, each, signal);
        collected.push(asCollected({ report, snp, certificates, quote, key }));
      }
      return collected;
    });
  }

  collectLive(statement: Uint8Array, signal?: AbortSignal): Promise<LiveEvidence> {
    return orNoEvidence('azure-cvm', async () => {
      const { tpm } = this.#options;
      const { key, report } = await readVirtualTpm(tpm, signal);
      const endorsed = report.snp === null ? await this.#tdxFiles(report) : await this.#snpFiles(report, report.snp);
      const { attest, signature, pcrs } = await quoted(tpm, key, statement, signal);
      return { kind: 'azure-cvm', files: { hcl_report: report.bytes, ...endorsed, attest, signature, pcrs } };
    });
  }

  launchRegister(): Promise<LaunchRegister> {
    return readLaunchRegister(this.#options.tpm);
  }

  extend(digest: Uint8Array): Promise<void> {
    return extendLaunchRegister(this.#options.tpm, digest);
  }

  async close(): Promise<void> {
    await this.#options.tpm.close();
  }

  async #certificatesOf({ report }: ParavisorReport, snp: SnpReport): Promise<SnpCertificates> {
    if (this.#certified !== null && equalBytes(this.#certified.report, report)) return this.#certified.certificates;
    const { collateral, metadata } = this.#options;
    const certificates = await snpCertificates(snp, null, withHostCertificates(collateral, metadata));
    this.#certified = { report, certificates };
    return certificates;
  }

  async #snpFiles(report: ParavisorReport, snp: SnpReport): Promise<LiveEvidence['files']> {
    const { kind, chain, crl } = await this.#certificatesOf(report, snp);
    const [leaf, ...issuers] = chain;
    if (leaf === undefined) throw new TypeError('a chain without a leaf');
    return { [kind]: leaf.der, chain: encodeUtf8(pemOf(issuers)), ...(crl !== null && { crl }) };
  }

  /** What stands in the place of the report of the processor is a TDREPORT, which only the host can turn into evidence. */
  async #tdxFiles({ report, runtimeData }: ParavisorReport): Promise<LiveEvidence['files']> {
    const { collateral, metadata } = this.#options;
    const quote = await hostQuote(metadata, report.subarray(0, TD_REPORT_BYTES));
    const parsed = parseTdxQuote(quote);
    const hash = sha256(runtimeData);
    // Whatever the host answered with: a quote over other data is another machine's.
    if (!equalBytes(parsed.body.reportData.subarray(0, hash.length), hash)) {
      throw new GatewayError('ATTESTATION_FAILED', 'the quote of the host does not cover what the paravisor says');
    }
    const platform = tdxPlatform(parsed);
    return { quote, ...(platform === null ? {} : await collateral.tdx(platform)) };
  }
}

function nameless(): GatewayError {
  const why = 'claims have no name for a TDX guest of Azure, so sessions cannot carry its evidence';
  return new GatewayError(
    'ATTESTATION_FAILED',
    `${why}; set \`attestation.provider\` to \`tpm\` for that of its virtual TPM`,
  );
}

/** extraData is SHA-256 over the 64 bytes: what the reference compares with, and ours accepts (wire-formats section 10). */
async function quoted(
  tpm: Tpm,
  key: AttestationKey,
  carried: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Quote> {
  if (carried.length !== BOUND_BYTES) throw new RangeError(`evidence carries ${BOUND_BYTES} bytes`);
  const request = { extraData: sha256(carried), indexes: ALL_STATIC_PCRS };
  return (await takeQuotes(tpm, key, [request], signal)).of(request);
}

interface Parts {
  report: ParavisorReport;
  snp: SnpReport;
  certificates: SnpCertificates;
  quote: Quote;
  key: AttestationKey;
}

function asCollected({ report, snp, certificates, quote, key }: Parts): CollectedEvidence {
  const { major, minor, build } = snp.currentFirmware;
  const evidence = {
    v: 1,
    snp_report: base64(report.report),
    runtime_data: base64(report.runtimeData),
    quote_msg: base64(quote.attest),
    quote_sig: base64(quote.signature),
    vcek_chain_pem: base64(pemOf(certificates.chain)),
    ak_pub_pem: pemBlock('PUBLIC KEY', key.spki),
  };
  const beside = { pcrs: quote.pcrs, ...(certificates.crl !== null && { crl: certificates.crl }) };
  return {
    platform: 'azure-cvm-sev-snp',
    measurement: snpMeasurement(snp),
    firmwareVersion: `${major}.${minor}.${build}`,
    evidence: { raw_evidence: base64(JSON.stringify(evidence)) },
    beside: besideClaim('azure-cvm', beside),
  };
}
