import {
  type Certificate,
  encodeHex,
  equalBytes,
  readCertificates,
  readSnpEndorsement,
  readSnpTcb,
  SNP_PRODUCTS,
  type SnpEndorsement,
  type SnpReport,
  snpProductOf,
  snpTcbText,
} from '@cmcp/evidence';
import { chainUpwards, isComplete } from '../certificate-chain.ts';
import type { Collateral } from '../collateral/folder.ts';
import type { SnpKeyKind } from '../collateral/layout.ts';
import { type CertificateTable, parseCertificateTable } from './certificate-table.ts';
import { TsmError } from './error.ts';

/** The certificates that a report is checked with. */
export interface SnpCertificates {
  kind: SnpKeyKind;
  /** Leaf first, root last. */
  chain: Certificate[];
  /** The revocation list of the root, when the collateral folder has it. */
  crl: Uint8Array<ArrayBuffer> | null;
}

/**
 * The certificate of the key that signed `report`, and what issued it: those that the host put into `auxblob`, and else those of the
 * collateral folder. A certificate of another chip or another TCB version is passed over: hosts keep the one of before an update.
 *
 * @throws TsmError, GatewayError COLLATERAL_UNAVAILABLE, FormatError when a certificate cannot be read
 */
export async function snpCertificates(
  report: SnpReport,
  auxblob: Uint8Array<ArrayBuffer> | null,
  collateral: Collateral,
): Promise<SnpCertificates> {
  const kind = report.key.signingKey;
  if (kind === 'none') throw new TsmError('refused', 'the report says that no key signed it, so nobody can check it');
  const table = auxblob === null ? {} : parseCertificateTable(auxblob);
  const endorsement = fromTable(table, kind, report) ?? (await fromFolder(collateral, kind, report));
  if (endorsement === null) throw withoutLeaf(kind, table[kind] !== undefined);
  const { certificate, product } = endorsement;
  const issuers = await collateral.snpIssuers(product, kind);
  const crl = issuers?.crl ?? null;
  const supplied = [table.ask, table.ark].flatMap((bytes) => (bytes === undefined ? [] : readCertificates(bytes)));
  for (const pool of [supplied, issuers?.chain ?? []]) {
    const chain = await chainUpwards(certificate, pool);
    if (isComplete(chain)) return { kind, chain, crl };
  }
  throw new TsmError('absent', `there are no certificates of what issued the ${kind.toUpperCase()}; ${FETCH}`);
}

const FETCH = '`cmcp attest fetch-collateral` gets them';

function fromTable(table: CertificateTable, kind: SnpKeyKind, report: SnpReport): SnpEndorsement | null {
  const [certificate] = table[kind] === undefined ? [] : readCertificates(table[kind]);
  return certificate === undefined ? null : fitting(certificate, kind, report);
}

/** A report of version 2 does not name its product, so each is looked at. */
async function fromFolder(collateral: Collateral, kind: SnpKeyKind, report: SnpReport): Promise<SnpEndorsement | null> {
  const named = report.cpuid === null ? null : snpProductOf(report.cpuid);
  const [chipId, tcb] = [encodeHex(report.chipId), encodeHex(report.reportedTcb)];
  for (const product of named === null ? SNP_PRODUCTS : [named]) {
    const certificate = await collateral.snpLeaf({ kind, product, chipId, tcb });
    if (certificate !== null) return fitting(certificate, kind, report);
  }
  return null;
}

/** What the certificate says, when it is of the key that signed the report: its kind, its chip, its TCB version. */
function fitting(certificate: Certificate, kind: SnpKeyKind, report: SnpReport): SnpEndorsement | null {
  const endorsement = readSnpEndorsement(certificate);
  const { hwid, product, tcb } = endorsement;
  if (endorsement.kind !== kind) return null;
  if (kind === 'vcek' && (hwid === null || !equalBytes(hwid, report.chipId.subarray(0, hwid.length)))) return null;
  return snpTcbText(readSnpTcb(report.reportedTcb, product)) === snpTcbText(tcb) ? endorsement : null;
}

function withoutLeaf(kind: SnpKeyKind, supplied: boolean): TsmError {
  const [name, host] = [
    kind.toUpperCase(),
    supplied ? 'the one that the host supplies is of another chip or TCB version' : 'the host supplies none',
  ];
  const remedy = kind === 'vcek' ? FETCH : 'ask the cloud provider for it';
  return new TsmError('absent', `there is no certificate of the ${name} that signed the report: ${host}; ${remedy}`);
}
