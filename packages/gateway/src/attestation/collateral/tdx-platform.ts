import { readCertificates, readPckPlatform, SGX_EXTENSION, type TdxQuote } from '@cmcp/evidence';
import type { TdxPlatform } from './layout.ts';

const CAS: ReadonlyMap<string, TdxPlatform['ca']> = new Map([
  ['Intel SGX PCK Platform CA', 'platform'],
  ['Intel SGX PCK Processor CA', 'processor'],
]);

/**
 * Which collateral of Intel speaks of the platform that made a quote, by the PCK certificate in it; null when the quote brings none.
 *
 * @throws FormatError
 */
export function tdxPlatform({ qe }: TdxQuote): TdxPlatform | null {
  if (qe.certificates.length === 0) return null;
  const pck = readCertificates(qe.certificates).find(({ extensions }) => extensions.has(SGX_EXTENSION));
  const ca = CAS.get(pck?.issuer.commonName ?? '');
  if (pck === undefined || ca === undefined) return null;
  return { fmspc: readPckPlatform(pck).fmspc, ca };
}
