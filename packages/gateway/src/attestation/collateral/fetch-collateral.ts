import type { SnpProduct } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Downloads } from './download.ts';
import { AMD_KDS, fetchFromKds } from './kds.ts';
import { fetchFromPcs, INTEL_PCS, INTEL_ROOT_CRL } from './pcs.ts';
import { storeCollateral } from './store.ts';
import type { CollateralSubject } from './subject.ts';
import type { CollateralTrust } from './verified.ts';

/** What is to be fetched, from where, and where it goes. */
export interface FetchRequest {
  subject: CollateralSubject;
  /** Absolute path of the folder. */
  folder: string;
  /** null: the report says it. */
  product: SnpProduct | null;
  /** null: AMD's. */
  kds: string | null;
  /** null: Intel's. */
  pcs: string | null;
}

/**
 * Fetches the certificates and collateral of a platform, proves them by its evidence, and then stores them.
 *
 * @returns the paths that were written, below the folder
 * @throws GatewayError COLLATERAL_UNAVAILABLE
 */
export async function fetchCollateral(
  { subject, folder, product, kds, pcs }: FetchRequest,
  downloads: Downloads,
  trust: CollateralTrust,
): Promise<string[]> {
  const addresses = { service: urlOf(pcs ?? INTEL_PCS), rootCrl: pcs === null ? new URL(INTEL_ROOT_CRL) : null };
  const files =
    subject.kind === 'sev-snp'
      ? await fetchFromKds(subject, product, urlOf(kds ?? AMD_KDS), downloads, trust)
      : await fetchFromPcs(subject, addresses, downloads, trust);
  await storeCollateral(folder, files);
  return files.map(({ path }) => path);
}

function urlOf(text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new GatewayError('COLLATERAL_UNAVAILABLE', `${JSON.stringify(text)} is no URL`);
}
