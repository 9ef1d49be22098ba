import { SGX_EXTENSION } from '../hardware/tdx/pck.ts';
import { issueCertificate, newKeyPair, type TestCertificate, type TestKeyKind } from './pki.ts';
import { type PlatformSpec, writeSgxExtension } from './tdx-quote.ts';

/** Certificates of a test root that stands in for Intel's, with their keys. */
export interface TdxPki {
  root: TestCertificate;
  /** Issues PCK certificates. */
  ca: TestCertificate;
  pck: TestCertificate;
  /** Signs TCB info and QE identity. */
  signer: TestCertificate;
}

/** What one certificate has instead of what it should have. */
export interface CertificateChanges {
  commonName?: string;
  ca?: boolean;
  /** Seconds since the epoch. */
  notBefore?: number;
  notAfter?: number;
  /** Bytes of the SGX extension; null leaves it out. */
  sgx?: Uint8Array<ArrayBuffer> | null;
  issuer?: 'root' | 'ca';
  keys?: TestKeyKind;
}

/** A fresh test root and what it certifies about `platform`, valid for years. */
export async function makeTdxPki(
  platform: PlatformSpec,
  changes: Partial<Record<'ca' | 'pck' | 'signer', CertificateChanges>> = {},
): Promise<TdxPki> {
  const { ca: caChanges = {}, pck: pckChanges = {}, signer: signerChanges = {} } = changes;
  const root = await issue('Intel SGX Root CA', '01', undefined, { ca: true });
  const ca = await issue('Intel SGX PCK Platform CA', '02', root, { ca: true, ...caChanges });
  const sgx = writeSgxExtension(platform);
  const pck = await issue('Intel SGX PCK Certificate', '03', pckChanges.issuer === 'root' ? root : ca, {
    sgx,
    ...pckChanges,
  });
  const signer = await issue('Intel SGX TCB Signing', '04', signerChanges.issuer === 'ca' ? ca : root, signerChanges);
  return { root, ca, pck, signer };
}

async function issue(
  commonName: string,
  serial: string,
  issuer: TestCertificate | undefined,
  { sgx = null, ca = false, keys = 'p256', issuer: _, ...changes }: CertificateChanges,
): Promise<TestCertificate> {
  const { commonName: name = commonName, ...validity } = changes;
  return issueCertificate({
    subject: `CN=${name}, O=Test Corporation, C=US`,
    keys: await newKeyPair(keys),
    ...(issuer === undefined ? {} : { issuer }),
    serial,
    ca,
    ...(ca ? {} : { keyUsage: ['digitalSignature'] as const }),
    ...validity,
    extensions: sgx === null ? [] : [{ oid: SGX_EXTENSION, critical: false, value: sgx }],
  });
}
