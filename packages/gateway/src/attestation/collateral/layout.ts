import type { SnpProduct } from '@cmcp/evidence';

// The folder of certificates and collateral. Every path in it is made here, for who reads it and for who fills it:
//
//   sev-snp/<product>/vcek/<chip_id>-<tcb>.der   the certificate of a chip's key at a TCB version
//   sev-snp/<product>/vlek/<tcb>.der             the certificate of a cloud's key at a TCB version
//   sev-snp/<product>/vcek-chain.pem             what issued it (ASK or ASVK), and the root (ARK)
//   sev-snp/<product>/vcek-crl.der               the root's revocation list
//   tdx/<fmspc>-<ca>/<role>.<json|pem|der>       the collateral of a platform, by the roles of `cmcp evidence verify`
//
// Products, chips, TCB versions and FMSPCs are in lower case, bytes as hex.

export type SnpKeyKind = 'vcek' | 'vlek';

/** What names the certificate of the key that signs a report. */
export interface SnpKey {
  kind: SnpKeyKind;
  product: SnpProduct;
  /** CHIP_ID and REPORTED_TCB of the report, hex. */
  chipId: string;
  tcb: string;
}

/** The platform that collateral of Intel is about. */
export interface TdxPlatform {
  /** Hex. */
  fmspc: string;
  /** Which of Intel's two CAs issued its PCK certificate. */
  ca: 'platform' | 'processor';
}

/** Roles of the collateral in the folder, with the form that each has. A platform has all of them or is not there. */
export const TDX_FILES = {
  tcb_info: 'json',
  tcb_chain: 'pem',
  qe_identity: 'json',
  qe_chain: 'pem',
  pck_crl: 'der',
  pck_crl_chain: 'pem',
  root_crl: 'der',
} as const;
export type TdxRole = keyof typeof TDX_FILES;
export const TDX_ROLES = Object.keys(TDX_FILES) as TdxRole[];

export function snpLeafPath({ kind, product, chipId, tcb }: SnpKey): string {
  const name = kind === 'vcek' ? `${chipId}-${tcb}` : tcb;
  return `sev-snp/${product.toLowerCase()}/${kind}/${name}.der`;
}

export function snpChainPath(product: SnpProduct, kind: SnpKeyKind): string {
  return `sev-snp/${product.toLowerCase()}/${kind}-chain.pem`;
}

export function snpCrlPath(product: SnpProduct, kind: SnpKeyKind): string {
  return `sev-snp/${product.toLowerCase()}/${kind}-crl.der`;
}

export function tdxPath({ fmspc, ca }: TdxPlatform, role: TdxRole): string {
  return `tdx/${fmspc}-${ca}/${role}.${TDX_FILES[role]}`;
}
