import { encodeHex, readSnpTcb, type SnpProduct, type SnpReport, snpProductOf } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { type Downloads, download } from './download.ts';
import { type SnpKeyKind, snpChainPath, snpCrlPath, snpLeafPath } from './layout.ts';
import type { FolderFile } from './store.ts';
import type { CollateralSubject } from './subject.ts';
import { orUnavailable } from './unavailable.ts';
import { type CollateralTrust, refuseUnproven } from './verified.ts';

/** AMD's key distribution service (57230). */
export const AMD_KDS = 'https://kdsintf.amd.com';

type SnpSubject = Extract<CollateralSubject, { kind: 'sev-snp' }>;

/**
 * Fetches from AMD what a report is checked with, and proves it by the report: the certificate of the chip's key, what issued it and
 * the revocation list of the root. The certificate of a VLEK is not AMD's to hand out: it comes with the report or not at all.
 *
 * @param named the product, which a report of version 2 does not say
 * @throws GatewayError COLLATERAL_UNAVAILABLE
 */
export async function fetchFromKds(
  subject: SnpSubject,
  named: SnpProduct | null,
  service: URL,
  downloads: Downloads,
  trust: CollateralTrust,
): Promise<FolderFile[]> {
  const { report, bytes } = subject;
  const product = productOf(report, named);
  const kind = report.key.signingKey;
  if (kind === 'none') throw unavailable('the report says that no key signed it, so there is no certificate to fetch');
  const at = (path: string) => new URL(`${service.pathname.replace(/\/$/, '')}/${kind}/v1/${product}/${path}`, service);
  const leaf =
    kind === 'vlek' ? vlekOf(subject) : (await download(downloads, 'the VCEK', at(vcekPath(report, product)))).body;
  const chain = (await download(downloads, `what issued the ${kind.toUpperCase()}`, at('cert_chain'))).body;
  const crl = (await download(downloads, 'the revocation list', at('crl'))).body;
  await refuseUnproven('sev-snp', { report: bytes, [kind]: leaf, chain, crl }, ['sev-snp.revocation'], trust);
  return files(report, kind, product, { leaf, chain, crl });
}

function files(
  report: SnpReport,
  kind: SnpKeyKind,
  product: SnpProduct,
  { leaf, chain, crl }: Record<'leaf' | 'chain' | 'crl', Uint8Array<ArrayBuffer>>,
): FolderFile[] {
  const key = { kind, product, chipId: encodeHex(report.chipId), tcb: encodeHex(report.reportedTcb) };
  return [
    { path: snpLeafPath(key), bytes: leaf },
    { path: snpChainPath(product, kind), bytes: chain },
    { path: snpCrlPath(product, kind), bytes: crl },
  ];
}

/** The product that the processor says, or else the one that was named. @throws GatewayError when there is none, or another */
function productOf({ cpuid }: SnpReport, named: SnpProduct | null): SnpProduct {
  const found = cpuid === null ? named : snpProductOf(cpuid);
  if (found === null && cpuid === null)
    throw unavailable('a report of version 2 does not name its product: give --product');
  if (found === null) throw unavailable('the report is of a processor that is not known here');
  if (named !== null && named !== found) throw unavailable(`the report is of ${found}, not of ${named}`);
  return found;
}

/** 57230 section 4: the chip, and its TCB version by component. Turin has shorter names of chips, and one component more. */
function vcekPath(report: SnpReport, product: SnpProduct): string {
  if (report.chipId.every((byte) => byte === 0)) {
    throw unavailable('the report hides its chip (CHIP_ID is zero), so there is no VCEK to ask for');
  }
  const tcb = orUnavailable('the TCB version of the report', () => readSnpTcb(report.reportedTcb, product));
  const chip = product === 'Turin' ? report.chipId.subarray(0, 8) : report.chipId;
  const levels = [
    ['fmcSPL', tcb.fmc],
    ['blSPL', tcb.bootloader],
    ['teeSPL', tcb.tee],
    ['snpSPL', tcb.snp],
    ['ucodeSPL', tcb.microcode],
  ] as const;
  const query = levels.flatMap(([name, level]) =>
    level === undefined ? [] : [`${name}=${String(level).padStart(2, '0')}`],
  );
  return `${encodeHex(chip)}?${query.join('&')}`;
}

function vlekOf({ vlek }: SnpSubject): Uint8Array<ArrayBuffer> {
  if (vlek !== null) return vlek;
  throw unavailable(
    'the report is signed with a VLEK, whose certificate only the host of that machine hands out: run the command there, without --report',
  );
}

function unavailable(detail: string): GatewayError {
  return new GatewayError('COLLATERAL_UNAVAILABLE', detail);
}
