import { readCertificates } from '@cmcp/evidence';
import type { Collateral } from '../collateral/folder.ts';
import { hostCertificates, type MetadataFetch } from './metadata-service.ts';

/** The certificates of the collateral folder, and where it has none, those that the host caches. For one look-up: the host is asked once. */
export function withHostCertificates(folder: Collateral, fetch: MetadataFetch): Collateral {
  let asked: ReturnType<typeof hostCertificates> | null = null;
  const host = () => {
    asked ??= hostCertificates(fetch);
    return asked;
  };
  const certificatesOf = (pem: string) => readCertificates(new TextEncoder().encode(pem));
  return {
    snpLeaf: async (key) => (await folder.snpLeaf(key)) ?? certificatesOf((await host()).leaf)[0] ?? null,
    snpIssuers: async (product, kind) =>
      (await folder.snpIssuers(product, kind)) ?? { chain: certificatesOf((await host()).chain), crl: null },
    tdx: (platform) => folder.tdx(platform),
  };
}
