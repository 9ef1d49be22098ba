import {
  encodeHex,
  equalBytes,
  FormatError,
  parseEventLog,
  parseTdxQuote,
  type TdxQuote,
  tdxMeasurement,
} from '@cmcp/evidence';
import type { Collateral } from '../collateral/folder.ts';
import { tdxPlatform } from '../collateral/tdx-platform.ts';
import type { CollectedEvidence, EvidenceProvider } from '../types.ts';
import { ifPossible, TsmError } from './error.ts';
import type { TsmFs } from './fs.ts';
import { base64, besideClaim, orNoEvidence, REQUEST_MS } from './provider.ts';
import { requestReport, type TsmMachine, whoAnswers } from './report.ts';
import { extendRtmr, hasRtmr, launchRtmr } from './rtmr.ts';
import { Turns } from './turns.ts';

export interface TdxOptions extends TsmMachine {
  collateral: Collateral;
  /** How long one request may take, milliseconds. */
  requestMs?: number;
}

interface Answer {
  /** The quote without the zeros that fill the buffer of the host. */
  bytes: Uint8Array<ArrayBuffer>;
  quote: TdxQuote;
  /** Collateral and event log by role, where they are there. */
  files: Record<string, Uint8Array<ArrayBuffer>>;
}

/**
 * Evidence of an Intel TDX guest: quotes asked for through configfs-tsm, and RTMR 3 where the kernel shows it.
 *
 * @throws GatewayError ATTESTATION_FAILED when no TDX guest answers
 */
export async function openTdxProvider(options: TdxOptions): Promise<EvidenceProvider> {
  const { fs, base } = options;
  const turns = new Turns(options.timers, options.requestMs ?? REQUEST_MS);
  const runtimeExtend = await orNoEvidence('tdx', async () => {
    const answering = await turns.run(() => whoAnswers(options));
    if (answering !== 'tdx_guest') throw new TsmError('no-provider', `${answering} answers here, not tdx_guest`);
    return turns.run(() => hasRtmr(fs, base));
  });
  const ask = (userData: Uint8Array, signal?: AbortSignal): Promise<Answer> =>
    orNoEvidence('tdx', async () => {
      const { outblob } = await turns.run(
        (isGivenUp) => requestReport(options, 'tdx_guest', userData, isGivenUp),
        signal,
      );
      const answer = readQuote(outblob);
      // Whatever else was checked: a quote with other data is somebody else's (kernel ABI, `generation`).
      if (!equalBytes(answer.quote.body.reportData, userData)) {
        throw new TsmError('foreign', 'REPORTDATA is not what was asked for');
      }
      const platform = tdxPlatform(answer.quote);
      const collateral = platform === null ? null : await options.collateral.tdx(platform);
      return { ...answer, files: { ...collateral, ...(await eventLog(fs, base)) } };
    });
  return {
    kind: 'tdx',
    capabilities: { runtimeExtend, sealing: false, rollbackCounter: false },
    async collect(bound, signal) {
      const collected: CollectedEvidence[] = [];
      // One after the other: others who ask get their turns in between.
      for (const userData of bound) collected.push(asCollected(await ask(userData, signal)));
      return collected;
    },
    async collectLive(statement, signal) {
      const { bytes, files } = await ask(statement, signal);
      return { kind: 'tdx', files: { quote: bytes, ...files } };
    },
    launchRegister: () => orNoEvidence('tdx', () => turns.run(() => launchRtmr(fs, base))),
    extend: (digest) => orNoEvidence('tdx', () => turns.run(() => extendRtmr(fs, base, digest))),
    close() {
      turns.close();
      return Promise.resolve();
    },
  };
}

/** A TDREPORT, a wrapper of a cloud and what follows the quote but zeros are refused. @throws TsmError, FormatError */
function readQuote(outblob: Uint8Array<ArrayBuffer>): { bytes: Uint8Array<ArrayBuffer>; quote: TdxQuote } {
  const quote = parseTdxQuote(outblob);
  if (!quote.trailing.zero) throw new TsmError('malformed', `${quote.trailing.bytes} bytes follow the quote`);
  return { quote, bytes: outblob.slice(0, outblob.length - quote.trailing.bytes) };
}

/** More than any log area of firmware has. */
const LOG_MOST = 1024 * 1024;

/**
 * The firmware's event log (CCEL), without the unused rest of its memory, where it can be read and is one. It is signed by nobody:
 * leaving it out takes nothing from the quote but the names of what was measured.
 */
async function eventLog(fs: TsmFs, base: string): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const log = await ifPossible(() => fs.readFile(`${base}/sys/firmware/acpi/tables/data/CCEL`, LOG_MOST));
  if (log === null) return {};
  try {
    return { event_log: log.slice(0, log.length - parseEventLog(log).padding) };
  } catch (error) {
    if (error instanceof FormatError) return {};
    throw error;
  }
}

function asCollected({ bytes, quote, files }: Answer): CollectedEvidence {
  return {
    platform: 'intel-tdx',
    measurement: tdxMeasurement(quote.body),
    firmwareVersion: encodeHex(quote.body.teeTcbSvn),
    evidence: { raw_evidence: base64(bytes) },
    beside: besideClaim('tdx', files),
  };
}
