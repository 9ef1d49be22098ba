/**
 * Certification authorities, certificates and CRLs for tests, written by another library than the one that reads them here. Not part
 * of the package.
 */
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509CrlReason,
} from '@peculiar/x509';
import { readDer, TAG, writeDer } from '../crypto/der.ts';
import { type Certificate, type KeyUsage, parseCertificate } from '../crypto/x509.ts';
import type { AnchorPurpose, TrustAnchor } from '../hardware/given.ts';

/** What a test key is, and how it signs certificates. */
const KEYS = {
  p256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  p384: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'rsa2048-pkcs1': rsa('RSASSA-PKCS1-v1_5', 2048, 'SHA-256'),
  'rsa2048-sha1': rsa('RSASSA-PKCS1-v1_5', 2048, 'SHA-1'),
  'rsa1024-pkcs1': rsa('RSASSA-PKCS1-v1_5', 1024, 'SHA-256'),
  'rsa2048-pss': { ...rsa('RSA-PSS', 2048, 'SHA-384'), saltLength: 48 },
  'rsa4096-pkcs1': rsa('RSASSA-PKCS1-v1_5', 4096, 'SHA-384'),
  'rsa4096-pss': { ...rsa('RSA-PSS', 4096, 'SHA-384'), saltLength: 48 },
} as const;
export type TestKeyKind = keyof typeof KEYS;

function rsa<N extends string>(name: N, modulusLength: number, hash: string) {
  return { name, modulusLength, publicExponent: Uint8Array.of(1, 0, 1), hash };
}

/** A key pair that signs as its kind says: RSASSA-PSS with a salt of 48 bytes and SHA-384, ECDSA as r||s. */
export interface TestKeyPair {
  kind: TestKeyKind;
  publicKey: Parameters<typeof crypto.subtle.verify>[1];
  privateKey: Parameters<typeof crypto.subtle.sign>[1];
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array<ArrayBuffer>;
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** A new key pair. RSA of 4096 bits takes seconds: make one and keep it. */
export async function newKeyPair(kind: TestKeyKind): Promise<TestKeyPair> {
  const algorithm = KEYS[kind];
  const pair = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new Error('not a key pair');
  const { publicKey, privateKey } = pair;
  return {
    kind,
    publicKey,
    privateKey,
    spki: new Uint8Array(await crypto.subtle.exportKey('spki', publicKey)),
    sign: async (message) => new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, message)),
  };
}

/** An extension as it is to be written. */
export interface TestExtension {
  oid: string;
  critical: boolean;
  /** DER of its value. */
  value: Uint8Array;
}

/** A certificate, and the key that it certifies. */
export interface TestCertificate {
  der: Uint8Array<ArrayBuffer>;
  pem: string;
  certificate: Certificate;
  keys: TestKeyPair;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  /** For example `CN=ARK-Test, O=Test`. */
  subject: string;
  keys: TestKeyPair;
  /** Who signs; left out: the certificate is signed by its own key. */
  issuer?: TestCertificate;
  /** Instead of the issuer's own name. */
  issuerName?: string;
  /** Hex; default `01`. `00` is possible. */
  serial?: string;
  /** Seconds since the epoch; by default the years 2020 to 2040. */
  notBefore?: number;
  notAfter?: number;
  /** BasicConstraints, with a path length where one is given; default false. */
  ca?: boolean | { pathLength: number };
  /** Default: keyCertSign and cRLSign for a CA, none otherwise; null: no such extension. */
  keyUsage?: readonly KeyUsage[] | null;
  extensions?: readonly TestExtension[];
}

export const FROM_2020 = Date.UTC(2020) / 1000;
export const UNTIL_2040 = Date.UTC(2040) / 1000;

/** Issues a certificate. */
export async function issueCertificate(request: CertificateRequest): Promise<TestCertificate> {
  const { subject, keys, issuer, serial = '01', notBefore = FROM_2020, notAfter = UNTIL_2040 } = request;
  const signer = issuer?.keys ?? keys;
  const issued = await X509CertificateGenerator.create({
    subject,
    issuer: request.issuerName ?? issuer?.certificate.subject.text ?? subject,
    // The library replaces zero by a random number, so zero is written over this one.
    serialNumber: serial === '00' ? '7f' : serial,
    notBefore: new Date(notBefore * 1000),
    notAfter: new Date(notAfter * 1000),
    publicKey: keys.spki,
    signingKey: signer.privateKey,
    signingAlgorithm: KEYS[signer.kind],
    extensions: extensionsOf(request),
  });
  const written = new Uint8Array(issued.rawData);
  const der = serial === '00' ? await signAgain(written, signer, zeroSerial) : written;
  return { der, pem: PemConverter.encode(der, 'CERTIFICATE'), certificate: parseCertificate(der), keys };
}

function extensionsOf({ ca = false, keyUsage, extensions = [] }: CertificateRequest): Extension[] {
  const usages = keyUsage === undefined && ca !== false ? (['keyCertSign', 'cRLSign'] as const) : (keyUsage ?? []);
  const flags = usages.reduce((sum, usage) => sum | KeyUsageFlags[usage], 0);
  return [
    new BasicConstraintsExtension(ca !== false, typeof ca === 'object' ? ca.pathLength : undefined, true),
    ...(flags === 0 ? [] : [new KeyUsagesExtension(flags, true)]),
    ...extensions.map(({ oid, critical, value }) => new Extension(oid, critical, Uint8Array.from(value))),
  ];
}

/** A certificate or CRL whose signed part `alter` changed, signed again by `signer`: for what no library writes. */
export async function signAgain(
  der: Uint8Array<ArrayBuffer>,
  signer: TestKeyPair,
  alter: (tbs: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const [tbs, algorithm] = readDer(der, 'signed').children(TAG.sequence);
  if (tbs === undefined || algorithm === undefined) throw new Error('not a signed structure');
  const altered = alter(new Uint8Array(tbs.bytes));
  const signature = await signer.sign(altered);
  const encoded = signer.kind === 'p256' || signer.kind === 'p384' ? ecdsaToDer(signature) : signature;
  const bits = writeDer(TAG.bitString, Uint8Array.of(0), encoded);
  return writeDer(TAG.sequence, altered, algorithm.bytes, bits);
}

function zeroSerial(tbs: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const [, serial] = readDer(tbs, 'tbs').children(TAG.sequence);
  if (serial === undefined) throw new Error('no serial number');
  tbs[serial.content.byteOffset - tbs.byteOffset] = 0;
  return tbs;
}

/** DER of an ECDSA signature r||s. */
function ecdsaToDer(signature: Uint8Array): Uint8Array<ArrayBuffer> {
  const half = signature.length / 2;
  return writeDer(TAG.sequence, unsigned(signature.subarray(0, half)), unsigned(signature.subarray(half)));
}

function unsigned(octets: Uint8Array): Uint8Array {
  const start = octets.findIndex((octet) => octet !== 0);
  const stripped = start < 0 ? Uint8Array.of(0) : octets.subarray(start);
  return writeDer(TAG.integer, (stripped[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(), stripped);
}

/** What a CRL is to say. */
export interface CrlRequest {
  issuer: TestCertificate;
  /** CRL number; default 1. */
  number?: number;
  /** Seconds since the epoch; by default the years 2020 to 2040. */
  thisUpdate?: number;
  /** null: the list does not say until when it holds. */
  nextUpdate?: number | null;
  /** Hex serial numbers, not zero. */
  revoked?: readonly string[];
  extensions?: readonly TestExtension[];
  /** Default false: one bit of the signature is flipped. */
  brokenSignature?: boolean;
}

/** Issues a CRL. */
export async function issueCrl(request: CrlRequest): Promise<Uint8Array<ArrayBuffer>> {
  const { issuer, number = 1, thisUpdate = FROM_2020, nextUpdate = UNTIL_2040, revoked = [] } = request;
  const crl = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject.text,
    thisUpdate: new Date(thisUpdate * 1000),
    ...(nextUpdate === null ? {} : { nextUpdate: new Date(nextUpdate * 1000) }),
    // Without a reason the library writes an empty list of extensions, which RFC 5280 does not allow.
    entries: revoked.map((serialNumber) => ({
      serialNumber,
      revocationDate: new Date(thisUpdate * 1000),
      reason: X509CrlReason.keyCompromise,
    })),
    extensions: [
      new Extension('2.5.29.20', false, writeDer(TAG.integer, Uint8Array.of(number))),
      ...(request.extensions ?? []).map(
        ({ oid, critical, value }) => new Extension(oid, critical, Uint8Array.from(value)),
      ),
    ],
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: KEYS[issuer.keys.kind],
  });
  const der = new Uint8Array(crl.rawData);
  if (request.brokenSignature === true) der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  return der;
}

/** The anchor that trusts a test root. */
export function testAnchor(root: TestCertificate, purpose: AnchorPurpose): TrustAnchor {
  return {
    name: `test root ${root.certificate.subject.text}`,
    fingerprint: root.certificate.fingerprint,
    source: 'test',
    purposes: [purpose],
    assurance: 'unknown',
    certificate: root.der,
  };
}
