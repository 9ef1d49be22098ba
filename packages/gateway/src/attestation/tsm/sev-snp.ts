import { encodeUtf8, equalBytes, parseSnpReport, type SnpReport, snpMeasurement } from '@cmcp/evidence';
import { pemOf } from '../certificate-chain.ts';
import type { Collateral } from '../collateral/folder.ts';
import type { CollectedEvidence, EvidenceProvider } from '../types.ts';
import { TsmError } from './error.ts';
import { base64, besideClaim, orNoEvidence, REQUEST_MS } from './provider.ts';
import { requestReport, type TsmMachine, whoAnswers } from './report.ts';
import { type SnpCertificates, snpCertificates } from './snp-certificates.ts';
import { Turns } from './turns.ts';

export interface SevSnpOptions extends TsmMachine {
  collateral: Collateral;
  /** How long one request may take, milliseconds. */
  requestMs?: number;
}

interface Answer extends SnpCertificates {
  /** As the platform gave it. */
  bytes: Uint8Array<ArrayBuffer>;
  report: SnpReport;
}

/**
 * Evidence of an AMD SEV-SNP guest, asked for through configfs-tsm.
 *
 * @throws GatewayError ATTESTATION_FAILED when no SEV-SNP guest answers
 */
export async function openSevSnpProvider(options: SevSnpOptions): Promise<EvidenceProvider> {
  const turns = new Turns(options.timers, options.requestMs ?? REQUEST_MS);
  await orNoEvidence('sev-snp', async () => {
    const answering = await turns.run(() => whoAnswers(options));
    if (answering !== 'sev_guest') throw new TsmError('no-provider', `${answering} answers here, not sev_guest`);
  });
  const ask = (userData: Uint8Array, signal?: AbortSignal): Promise<Answer> =>
    orNoEvidence('sev-snp', async () => {
      const { outblob, auxblob } = await turns.run(
        (isGivenUp) => requestReport(options, 'sev_guest', userData, isGivenUp),
        signal,
      );
      const report = parseSnpReport(outblob);
      // Whatever else was checked: a report with other data is somebody else's (kernel ABI, `generation`).
      if (!equalBytes(report.reportData, userData))
        throw new TsmError('foreign', 'REPORT_DATA is not what was asked for');
      return { bytes: outblob, report, ...(await snpCertificates(report, auxblob, options.collateral)) };
    });
  return {
    kind: 'sev-snp',
    capabilities: { runtimeExtend: false, sealing: false, rollbackCounter: false },
    async collect(bound, signal) {
      const collected: CollectedEvidence[] = [];
      // One after the other: others who ask get their turns in between.
      for (const userData of bound) collected.push(asCollected(await ask(userData, signal)));
      return collected;
    },
    async collectLive(statement, signal) {
      const { bytes, kind, chain, crl } = await ask(statement, signal);
      const [leaf, ...issuers] = chain;
      if (leaf === undefined) throw new TypeError('a chain without a leaf');
      const files = {
        report: bytes,
        [kind]: leaf.der,
        chain: encodeUtf8(pemOf(issuers)),
        ...(crl === null ? {} : { crl }),
      };
      return { kind: 'sev-snp', files };
    },
    launchRegister: () => Promise.resolve(null),
    extend: () =>
      orNoEvidence('sev-snp', () => {
        throw new TsmError('refused', 'SEV-SNP has no register that a running guest can extend');
      }),
    close() {
      turns.close();
      return Promise.resolve();
    },
  };
}

function asCollected({ bytes, report, chain, crl }: Answer): CollectedEvidence {
  const { major, minor, build } = report.currentFirmware;
  return {
    platform: 'amd-sev-snp',
    measurement: snpMeasurement(report),
    firmwareVersion: `${major}.${minor}.${build}`,
    evidence: { raw_evidence: base64(bytes), cert_chain: base64(pemOf(chain)) },
    beside: crl === null ? [] : besideClaim('sev-snp', { crl }),
  };
}
