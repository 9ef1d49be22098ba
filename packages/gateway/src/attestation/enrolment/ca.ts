import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { type Certificate, encodeHex, equalBytes, FormatError, readCertificates } from '@cmcp/evidence';
import {
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '../../certificate-writer.ts';
import { refused } from './refusal.ts';

const DAY = 86_400;
const CURVES = { prime256v1: ['P-256', 'SHA-256'], secp384r1: ['P-384', 'SHA-384'] } as const;

/** Who issues certificates for attestation keys: relying parties trust them through its certificate. */
export interface EnrollerCa {
  certificate: Certificate;
  /** The certificate and those that came with it, PEM. */
  chain: string;
  key: webcrypto.CryptoKey;
  algorithm: webcrypto.EcdsaParams & webcrypto.EcKeyImportParams;
}

/** What is said of a certificate whichever it is. */
export interface Validity {
  /** Seconds since the epoch. */
  from: number;
  days: number;
}

/**
 * A new enroller: an ECDSA key on P-256, and a certificate by itself that may issue certificates of keys and none of CAs.
 * Gives both as PEM; the key is PKCS #8, not encrypted.
 */
export async function createCa(name: string, validity: Validity): Promise<{ certificate: string; key: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const subject = new Name([{ CN: [name] }]);
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: subject,
    ...written(validity),
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { certificate: pem(certificate.rawData), key: `${PemConverter.encode(key, 'PRIVATE KEY')}\n` };
}

/**
 * Reads an enroller's certificate (PEM, its own first) and key (PEM, not encrypted; P-256 or P-384).
 * @throws GatewayError ENROLMENT_REFUSED when they cannot be read or do not belong together
 */
export async function readCa(certificates: Uint8Array<ArrayBuffer>, key: Uint8Array): Promise<EnrollerCa> {
  const [certificate, ...issuers] = readChain(certificates);
  if (certificate === undefined) throw refused('the file of the CA certificate holds none');
  const privateKey = readKey(key);
  const [namedCurve, hash] = CURVES[curveOf(privateKey)];
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  if (!equalBytes(spki, certificate.spki)) {
    throw refused(
      'the CA key is not that of the CA certificate. Give the two files of one CA, its own certificate first',
    );
  }
  const algorithm = { name: 'ECDSA', namedCurve, hash };
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const signing = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
  const chain = [certificate, ...issuers].map(({ der }) => pem(der)).join('');
  return { certificate, chain, key: signing, algorithm };
}

/** A certificate by `ca`, PEM, with what is the same in all that it issues. */
export async function issueBy(
  ca: EnrollerCa,
  given: { subject: Name; spki: Uint8Array<ArrayBuffer>; validity: Validity; extensions: Extension[] },
): Promise<string> {
  const { from, days } = given.validity;
  const { certificate } = ca;
  if (from + days * DAY > certificate.notAfter) {
    const left = Math.max(0, Math.floor((certificate.notAfter - from) / DAY));
    throw refused(`the CA certificate is valid for ${left} more days. Give --days ${left} or less, or make another CA`);
  }
  const issued = await X509CertificateGenerator.create({
    subject: given.subject,
    issuer: new Name(certificate.subject.der),
    ...written(given.validity),
    publicKey: given.spki,
    signingKey: ca.key,
    signingAlgorithm: ca.algorithm,
    extensions: given.extensions,
  });
  return pem(issued.rawData);
}

function written({ from, days }: Validity): { serialNumber: string; notBefore: Date; notAfter: Date } {
  const serial = randomBytes(16);
  // Positive, and without an octet of padding.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return {
    serialNumber: encodeHex(serial),
    notBefore: new Date(from * 1000),
    notAfter: new Date((from + days * DAY) * 1000),
  };
}

function readChain(bytes: Uint8Array<ArrayBuffer>): Certificate[] {
  try {
    return readCertificates(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw refused(`the CA certificate cannot be read: ${error.message}`, error);
  }
}

function readKey(bytes: Uint8Array): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(bytes), format: 'pem' });
  } catch (cause) {
    throw refused('the CA key cannot be read: it should be PEM, and not encrypted', cause);
  }
}

function curveOf(key: KeyObject): keyof typeof CURVES {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === 'prime256v1' || curve === 'secp384r1') return curve;
  throw refused('the CA key is of another kind than ECDSA on P-256 or P-384. `cmcp attest enroll ca` makes one');
}

function pem(der: Uint8Array<ArrayBuffer> | ArrayBuffer): string {
  return `${PemConverter.encode(der, 'CERTIFICATE')}\n`;
}
