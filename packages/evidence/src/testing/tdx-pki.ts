import 'reflect-metadata';
import { createHash } from 'node:crypto';
import {
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509CrlReason,
} from '@peculiar/x509';
import type { TrustAnchor } from '../hardware/given.ts';
import { SGX_EXTENSION } from '../hardware/tdx/pck.ts';
import { makeTdxKey, type PlatformSpec, type TdxKey, writeSgxExtension } from './tdx-quote.ts';

/** A key with its certificate, DER and PEM. */
export interface Holder {
  key: TdxKey & { pair: CryptoKeyPair };
  subject: string;
  serial: string;
  der: Uint8Array<ArrayBuffer>;
  pem: string;
}

/** Keys and certificates of a test root that stands in for Intel's. */
export interface TdxPki {
  root: Holder;
  /** Issues PCK certificates. */
  ca: Holder;
  pck: Holder;
  /** Signs TCB info and QE identity. */
  signer: Holder;
}

/** What one certificate has instead of what it should have. */
export interface CertificateChanges {
  commonName?: string;
  ca?: boolean;
  notBefore?: number;
  notAfter?: number;
  /** Bytes of the SGX extension; null leaves it out. */
  sgx?: Uint8Array<ArrayBuffer> | null;
  issuer?: 'root' | 'ca';
}

const DAY = 86_400;
const ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/** A fresh test root and what it certifies, valid for a year around `at` (seconds since the epoch). */
export async function makeTdxPki(
  at: number,
  platform: PlatformSpec,
  changes: Partial<Record<'ca' | 'pck' | 'signer', CertificateChanges>> = {},
): Promise<TdxPki> {
  const root = await issue('Intel SGX Root CA', 1, null, true, at, {});
  const ca = await issue('Intel SGX PCK Platform CA', 2, root, true, at, changes.ca);
  const pck = await issue('Intel SGX PCK Certificate', 3, changes.pck?.issuer === 'root' ? root : ca, false, at, {
    sgx: writeSgxExtension(platform),
    ...changes.pck,
  });
  const signerIssuer = changes.signer?.issuer === 'ca' ? ca : root;
  const signer = await issue('Intel SGX TCB Signing', 4, signerIssuer, false, at, changes.signer);
  return { root, ca, pck, signer };
}

async function issue(
  commonName: string,
  serial: number,
  issuer: Holder | null,
  mayIssue: boolean,
  at: number,
  changes: CertificateChanges = {},
): Promise<Holder> {
  const key = await makeTdxKey();
  const subject = `CN=${changes.commonName ?? commonName}, O=Test Corporation, C=US`;
  const ca = changes.ca ?? mayIssue;
  const usage = ca ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature;
  const sgx = changes.sgx ?? null;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial.toString(16).padStart(2, '0'),
    subject,
    issuer: issuer?.subject ?? subject,
    notBefore: new Date((changes.notBefore ?? at - 180 * DAY) * 1000),
    notAfter: new Date((changes.notAfter ?? at + 180 * DAY) * 1000),
    signingAlgorithm: ALGORITHM,
    publicKey: key.pair.publicKey,
    signingKey: (issuer?.key ?? key).pair.privateKey,
    extensions: [
      new BasicConstraintsExtension(ca, undefined, true),
      new KeyUsagesExtension(usage, true),
      ...(sgx === null ? [] : [new Extension(SGX_EXTENSION, false, sgx)]),
    ],
  });
  const der = new Uint8Array(certificate.rawData);
  return { key, subject, serial: certificate.serialNumber, der, pem: `${certificate.toString('pem')}\n` };
}

/** A CRL of `issuer` that takes back the certificates of these serial numbers. */
export async function makeTdxCrl(
  issuer: Holder,
  revoked: readonly string[],
  thisUpdate: number,
  nextUpdate: number,
  signer: Holder = issuer,
): Promise<Uint8Array<ArrayBuffer>> {
  const crl = await X509CrlGenerator.create({
    issuer: issuer.subject,
    thisUpdate: new Date(thisUpdate * 1000),
    nextUpdate: new Date(nextUpdate * 1000),
    signingAlgorithm: ALGORITHM,
    signingKey: signer.key.pair.privateKey,
    entries: revoked.map((serialNumber) => ({
      serialNumber,
      revocationDate: new Date(thisUpdate * 1000),
      reason: X509CrlReason.keyCompromise,
    })),
  });
  return new Uint8Array(crl.rawData);
}

/** The test root as a relying party trusts it. */
export function tdxAnchor(root: Holder): TrustAnchor {
  return {
    name: 'TDX test root',
    fingerprint: createHash('sha256').update(root.der).digest('hex'),
    source: 'test',
    purposes: ['intel-sgx'],
    assurance: 'unknown',
    certificate: root.der,
  };
}
