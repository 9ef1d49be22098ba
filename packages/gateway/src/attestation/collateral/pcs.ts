import { decodeHex, encodeUtf8 } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { type Downloads, download } from './download.ts';
import type { Fetched } from './fetcher.ts';
import { TDX_ROLES, type TdxRole, tdxPath } from './layout.ts';
import type { FolderFile } from './store.ts';
import type { CollateralSubject } from './subject.ts';
import { tdxPlatform } from './tdx-platform.ts';
import { orUnavailable } from './unavailable.ts';
import { type CollateralTrust, refuseUnproven } from './verified.ts';

/** Intel's provisioning certification service, and where it publishes the list of its root. */
export const INTEL_PCS = 'https://api.trustedservices.intel.com';
export const INTEL_ROOT_CRL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der';

/** Where collateral of Intel comes from. */
export interface PcsAddresses {
  service: URL;
  /** null: a caching service, which has the list of the root as well. */
  rootCrl: URL | null;
}

type TdxSubject = Extract<CollateralSubject, { kind: 'tdx' }>;
type Bytes = Uint8Array<ArrayBuffer>;

/** The checks that must be proven before collateral is kept: the documents are Intel's and about this platform, the lists in force. */
const NEEDED = ['tdx.tcb_info', 'tdx.qe_identity', 'tdx.pck_crl', 'tdx.root_crl', 'tdx.pck_crl_chain'];

/**
 * Fetches from Intel what says how the platform of a quote stands, and proves it by the quote: TCB info of its FMSPC, identity of the
 * quoting enclave, revocation lists, and the chains of who signed them (PCS API v4).
 *
 * @throws GatewayError COLLATERAL_UNAVAILABLE
 */
export async function fetchFromPcs(
  { bytes, quote }: TdxSubject,
  { service, rootCrl }: PcsAddresses,
  downloads: Downloads,
  trust: CollateralTrust,
): Promise<FolderFile[]> {
  const platform = orUnavailable('the PCK certificate of the quote', () => tdxPlatform(quote));
  if (platform === null) {
    throw new GatewayError(
      'COLLATERAL_UNAVAILABLE',
      'the quote brings no PCK certificate of Intel, which names its platform',
    );
  }
  const at = (path: string) => new URL(`${service.pathname.replace(/\/$/, '')}/${path}`, service);
  const get = (what: string, path: string) => download(downloads, what, at(path));
  const tcb = await get('the TCB info', `tdx/certification/v4/tcb?fmspc=${platform.fmspc}`);
  const qe = await get('the QE identity', 'tdx/certification/v4/qe/identity');
  const pck = await get('the CRL of the PCK CA', `sgx/certification/v4/pckcrl?ca=${platform.ca}&encoding=der`);
  const root = await download(downloads, 'the CRL of the root', rootCrl ?? at('sgx/certification/v4/rootcacrl'));
  const fetched: Record<TdxRole, Bytes> = {
    tcb_info: tcb.body,
    tcb_chain: chainOf(tcb, 'tcb-info-issuer-chain'),
    qe_identity: qe.body,
    qe_chain: chainOf(qe, 'sgx-enclave-identity-issuer-chain'),
    pck_crl: crlOf(pck),
    pck_crl_chain: chainOf(pck, 'sgx-pck-crl-issuer-chain'),
    root_crl: crlOf(root),
  };
  await refuseUnproven('tdx', { quote: bytes, ...fetched }, NEEDED, trust);
  return TDX_ROLES.map((role) => ({ path: tdxPath(platform, role), bytes: fetched[role] }));
}

/** The chain of who signed an answer is in a header, percent-encoded PEM. */
function chainOf({ header }: Fetched, name: string): Bytes {
  const value = header(name);
  if (value === null) throw new GatewayError('COLLATERAL_UNAVAILABLE', `the answer has no header ${name}`);
  if (!/^(?:[!-$&-~]|%[0-9A-Fa-f]{2})+$/.test(value)) {
    throw new GatewayError('COLLATERAL_UNAVAILABLE', `the header ${name} is not percent-encoded`);
  }
  // Every escape is of one byte, and PEM is ASCII: anything else is refused when the chain is read.
  return encodeUtf8(
    value.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  );
}

/** Caching services answer with hex text, Intel with DER. */
function crlOf({ body }: Fetched): Bytes {
  const isHex = body.every(
    (byte) => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66),
  );
  if (!isHex) return body;
  return orUnavailable('a revocation list', () => decodeHex(new TextDecoder().decode(body).toLowerCase()));
}
