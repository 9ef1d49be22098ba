import { parseSnpReport, parseTdxQuote, type SnpReport, type TdxQuote } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Timers } from '../../timers.ts';
import { parseCertificateTable } from '../tsm/certificate-table.ts';
import { TsmError } from '../tsm/error.ts';
import { REQUEST_MS } from '../tsm/provider.ts';
import { requestReport, type TsmMachine, USER_DATA_SIZE, whoAnswers } from '../tsm/report.ts';
import { Turns } from '../tsm/turns.ts';
import { orUnavailable } from './unavailable.ts';

/** The evidence for which collateral is fetched: it names the platform, and proves what comes. */
export type CollateralSubject =
  | {
      kind: 'sev-snp';
      bytes: Uint8Array<ArrayBuffer>;
      report: SnpReport;
      /** The VLEK that the host of this machine supplied, PEM or DER; null where there is none. */
      vlek: Uint8Array<ArrayBuffer> | null;
    }
  | { kind: 'tdx'; bytes: Uint8Array<ArrayBuffer>; quote: TdxQuote };

/** A report as a subject. @throws GatewayError COLLATERAL_UNAVAILABLE when it is none */
export function reportSubject(
  bytes: Uint8Array<ArrayBuffer>,
  vlek: Uint8Array<ArrayBuffer> | null = null,
): CollateralSubject {
  const report = orUnavailable('the report cannot be read', () => parseSnpReport(bytes));
  return { kind: 'sev-snp', bytes, report, vlek };
}

/** A quote as a subject. @throws GatewayError COLLATERAL_UNAVAILABLE when it is none */
export function quoteSubject(bytes: Uint8Array<ArrayBuffer>): CollateralSubject {
  return { kind: 'tdx', bytes, quote: orUnavailable('the quote cannot be read', () => parseTdxQuote(bytes)) };
}

/**
 * Evidence of this machine, over random bytes, as a subject.
 *
 * @throws GatewayError COLLATERAL_UNAVAILABLE when this machine is no guest of SEV-SNP or TDX, or gives no evidence
 */
export async function machineSubject(machine: TsmMachine & { timers: Timers }): Promise<CollateralSubject> {
  const turns = new Turns(machine.timers, REQUEST_MS);
  try {
    const provider = await turns.run(() => whoAnswers(machine));
    if (provider !== 'sev_guest' && provider !== 'tdx_guest') {
      throw new TsmError('no-provider', `${provider} answers, whose evidence is not known here`);
    }
    const userData = machine.random(USER_DATA_SIZE);
    const { outblob, auxblob } = await turns.run((isGivenUp) => requestReport(machine, provider, userData, isGivenUp));
    if (provider === 'tdx_guest') return quoteSubject(outblob);
    return reportSubject(outblob, auxblob === null ? null : (parseCertificateTable(auxblob).vlek ?? null));
  } catch (error) {
    if (!(error instanceof TsmError)) throw error;
    const remedy = 'name a report or a quote of that machine instead: --report FILE, --quote FILE';
    throw new GatewayError('COLLATERAL_UNAVAILABLE', `this machine gives no evidence: ${error.message}; ${remedy}`, {
      cause: error,
    });
  } finally {
    turns.close();
  }
}
