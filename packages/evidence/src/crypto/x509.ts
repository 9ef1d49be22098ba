import { equalBytes } from '../bytes/equal.ts';
import { encodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';
import { parseSignatureAlgorithm } from './algorithm.ts';
import { type DerNode, explicitTag, readDer, readDerSeries, TAG } from './der.ts';
import { type Extension, parseExtensions } from './extension.ts';
import { type PublicKey, parseSpki } from './key.ts';
import { type Name, parseName } from './name.ts';
import { readPem } from './pem.ts';
import { sha256Hex } from './sha256.ts';
import type { Signed } from './signature.ts';

/** What a key may be used for (RFC 5280 section 4.2.1.3), in the order of the bits. */
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

/** An X.509 certificate as it was read: nothing in it is proven by reading it. */
export interface Certificate extends Signed {
  der: Uint8Array<ArrayBuffer>;
  version: 1 | 3;
  /** Lower-case hex of the number, without the octet that only makes it positive; `00` for zero. */
  serial: string;
  issuer: Name;
  subject: Name;
  /** Validity, seconds since the epoch; both ends are inside. */
  notBefore: number;
  notAfter: number;
  key: PublicKey;
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array<ArrayBuffer>;
  extensions: ReadonlyMap<string, Extension>;
  /** BasicConstraints says that the key may issue certificates. */
  ca: boolean;
  /** How many intermediate certificates may follow; null: any number. */
  pathLength: number | null;
  /** null: the certificate does not say. */
  keyUsage: ReadonlySet<KeyUsage> | null;
  /** Object identifiers; empty: the certificate does not say. */
  extendedKeyUsage: readonly string[];
  /** SHA-256 over the DER certificate, lower-case hex. */
  fingerprint: string;
}

/** Extensions that are read here. */
export const EXTENSION = {
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Octets of a serial number (RFC 5280 section 4.1.2.2). */
const MAX_SERIAL = 20;

/**
 * Reads a certificate: strict DER, version 3 (or 1 without extensions), algorithms and keys of the allow-lists. AMD's serial
 * number 0 is accepted, though RFC 5280 asks for a positive one.
 *
 * @throws FormatError
 */
export function parseCertificate(der: Uint8Array<ArrayBuffer>): Certificate {
  const { tbs, signatureAlgorithm, signature } = signedParts(readDer(der, 'certificate'), 'certificate');
  const fields = tbs.children(TAG.sequence);
  const version = fields[0]?.tag === explicitTag(0) ? versionOf(fields.shift()) : 1;
  const [serial, algorithm, issuer, validity, subject, spki, wrapped, ...rest] = fields;
  if (serial === undefined || algorithm === undefined || issuer === undefined || validity === undefined)
    throw incomplete();
  if (subject === undefined || spki === undefined || rest.length > 0) throw incomplete();
  if (wrapped !== undefined && version !== 3) throw new FormatError('certificate: only version 3 has extensions');
  sameAlgorithm(algorithm, signatureAlgorithm, 'certificate');
  const extensions = wrapped === undefined ? new Map() : parseExtensions(wrapped.only(explicitTag(3)));
  return {
    der,
    tbs: tbs.bytes,
    version,
    serial: serialOf(serial),
    issuer: parseName(issuer),
    subject: parseName(subject),
    ...validityOf(validity),
    key: parseSpki(spki.bytes),
    spki: spki.bytes,
    signatureScheme: parseSignatureAlgorithm(signatureAlgorithm),
    signature,
    extensions,
    ...usesOf(extensions),
    fingerprint: sha256Hex(der),
  };
}

/** The three parts of a certificate or CRL. @throws FormatError */
export function signedParts(
  node: DerNode,
  what: string,
): { tbs: DerNode; signatureAlgorithm: DerNode; signature: Uint8Array<ArrayBuffer> } {
  const [tbs, signatureAlgorithm, signature, ...rest] = node.children(TAG.sequence);
  if (tbs === undefined || signatureAlgorithm === undefined || signature === undefined || rest.length > 0) {
    throw new FormatError(`${what}: it is not a signed structure`);
  }
  return { tbs, signatureAlgorithm, signature: signature.bitString() };
}

/** The algorithm is named twice, and only one of the two is signed (RFC 5280 section 4.1.1.2). @throws FormatError */
export function sameAlgorithm(inside: DerNode, outside: DerNode, what: string): void {
  if (!equalBytes(inside.bytes, outside.bytes)) throw new FormatError(`${what}: it names two signature algorithms`);
}

/** A serial number as {@link Certificate.serial} writes it. @throws FormatError when it is negative or too long */
export function serialOf(node: DerNode): string {
  const octets = node.unsigned();
  if (octets.length > MAX_SERIAL) throw new FormatError('certificate: the serial number is too long');
  return encodeHex(octets);
}

function incomplete(): FormatError {
  return new FormatError('certificate: it has not the parts that a certificate has');
}

function versionOf(wrapped: DerNode | undefined): 3 {
  if (wrapped?.only(explicitTag(0)).integer() !== 2n) throw new FormatError('certificate: its version is not 3');
  return 3;
}

function validityOf(node: DerNode): { notBefore: number; notAfter: number } {
  const [notBefore, notAfter, ...rest] = node.children(TAG.sequence);
  if (notBefore === undefined || notAfter === undefined || rest.length > 0) throw incomplete();
  return { notBefore: notBefore.time(), notAfter: notAfter.time() };
}

function usesOf(
  extensions: ReadonlyMap<string, Extension>,
): Pick<Certificate, 'ca' | 'pathLength' | 'keyUsage' | 'extendedKeyUsage'> {
  const node = (oid: string) => {
    const extension = extensions.get(oid);
    return extension === undefined ? undefined : readDer(extension.value, `extension ${oid}`);
  };
  const usage = node(EXTENSION.keyUsage)?.namedBits();
  const purposes = node(EXTENSION.extendedKeyUsage)?.children(TAG.sequence);
  if (purposes?.length === 0) throw new FormatError('certificate: its extended key usage is empty');
  return {
    ...basicConstraints(node(EXTENSION.basicConstraints)),
    keyUsage: usage === undefined ? null : new Set(usage.map(keyUsage)),
    extendedKeyUsage: purposes?.map((purpose) => purpose.oid()) ?? [],
  };
}

function keyUsage(bit: number): KeyUsage {
  const usage = KEY_USAGES[bit];
  if (usage === undefined) throw new FormatError(`certificate: key usage bit ${bit} is not known`);
  return usage;
}

function basicConstraints(node: DerNode | undefined): { ca: boolean; pathLength: number | null } {
  const [first, second, ...rest] = node?.children(TAG.sequence) ?? [];
  if (first === undefined) return { ca: false, pathLength: null };
  // FALSE is the default and should be absent; vendors write it out.
  const ca = first.bool();
  const length = second?.integer() ?? null;
  if (rest.length > 0 || (length !== null && (!ca || length < 0n || length > 255n))) {
    throw new FormatError('certificate: its basic constraints contradict themselves');
  }
  return { ca, pathLength: length === null ? null : Number(length) };
}

/** The certificates of a file: PEM, or DER one after the other. @throws FormatError, also when there is none */
export function readCertificates(bytes: Uint8Array<ArrayBuffer>): Certificate[] {
  // A certificate is longer than 127 bytes, so the second byte of its DER is not text.
  if (bytes[0] === TAG.sequence && (bytes[1] ?? 0) >= 0x80) {
    return readDerSeries(bytes, 'certificates').map((node) => parseCertificate(node.bytes));
  }
  return readPem(bytes).map(({ label, der }) => {
    if (label !== 'CERTIFICATE') throw new FormatError(`PEM: a block is ${label}, where certificates should be`);
    return parseCertificate(der);
  });
}
