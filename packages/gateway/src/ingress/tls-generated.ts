import { KeyObject, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '../certificate-writer.ts';
import { spkiOf, type TlsIdentity } from './tls-files.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** RFC 5280 section 4.1.2.5: no well-defined end. The key ends with the process. */
const NO_END = Date.UTC(9999, 11, 31, 23, 59, 59);
/** Clocks of clients may be behind. */
const BACKDATED_MS = 300_000;

/**
 * A fresh P-256 key, in memory only, with a certificate that no authority vouches for: attestation names the key.
 *
 * @param names hosts and addresses that clients may call the listener by
 */
export async function generateTlsIdentity(names: readonly string[], nowMs: number): Promise<TlsIdentity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=cmcp gateway',
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(nowMs - BACKDATED_MS),
      notAfter: new Date(NO_END),
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension([...new Set(names)].map(generalName)),
      ],
    },
    webcrypto,
  );
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
  return {
    certificate: certificate.toString('pem'),
    key: key.toString(),
    spki: spkiOf(KeyObject.from(keys.publicKey)),
    expiresMs: NO_END,
    clientCa: null,
  };
}

function generalName(name: string): JsonGeneralName {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name };
}
