import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { digest } from '@cmcp/evidence';
import type { TlsConfig } from '../config/types.ts';
import { GatewayError } from '../errors.ts';

/** What a listener shows to who connects. */
export interface TlsIdentity {
  /** PEM, leaf first. */
  certificate: string;
  /** PEM. */
  key: string;
  /** SHA-256 of the SubjectPublicKeyInfo, `sha256:…`. */
  spki: string;
  /** When the certificate expires, milliseconds since the epoch. */
  expiresMs: number;
  /** PEM of the authorities of the certificates that clients must show; null: they show none. */
  clientCa: string | null;
}

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const MIN_RSA_BITS = 2048;
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Reads certificate and key of a listener, which must belong together and be in force at `nowMs`, and the authorities of its
 * clients.
 *
 * @throws GatewayError TLS_INVALID
 */
export async function readTlsFiles(
  { certificate, key, clientCa }: Extract<TlsConfig, { kind: 'files' }>,
  nowMs: number,
): Promise<TlsIdentity> {
  const [certificatePem, keyPem] = await Promise.all([readPem(certificate), readPem(key)]);
  const authorities = clientCa === null ? null : await readAuthorities(clientCa, nowMs);
  const leaf = leafOf(certificatePem, certificate);
  const secret = secretOf(keyPem, key);
  if (!leaf.checkPrivateKey(secret)) throw invalid(`${key} is not the key of the first certificate in ${certificate}`);
  const [from, to] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
  if (!(from <= nowMs)) throw invalid(`the certificate in ${certificate} is in force from ${leaf.validFrom} only`);
  if (!(nowMs < to)) throw invalid(`the certificate in ${certificate} expired on ${leaf.validTo}`);
  const spki = spkiOf(leaf.publicKey);
  const identity = { certificate: certificatePem, key: keyPem, spki, expiresMs: to, clientCa: authorities };
  // The rest of the chain, and whatever else OpenSSL asks of it, is judged by what will use it.
  refused(() => createSecureContext({ cert: certificatePem, key: keyPem }), certificate);
  return identity;
}

/** SHA-256 of a public key as SubjectPublicKeyInfo, `sha256:…`. */
export function spkiOf(key: KeyObject): string {
  return digest(key.export({ type: 'spki', format: 'der' }));
}

/** Certificates of authorities, at least one of them in force. Without any, everybody's certificate would be refused. */
async function readAuthorities(file: string, nowMs: number): Promise<string> {
  const pem = await readPem(file);
  const certificates = (pem.match(BLOCK) ?? []).map((block) => refused(() => new X509Certificate(block), file));
  const other = certificates.find(({ ca }) => !ca);
  if (other !== undefined)
    throw invalid(`${file} holds a certificate that is not one of an authority: ${other.subject}`);
  const inForce = certificates.some(
    ({ validFromDate, validToDate }) => validFromDate.getTime() <= nowMs && nowMs < validToDate.getTime(),
  );
  if (!inForce) throw invalid(`${file} holds no certificate of an authority that is in force`);
  return pem;
}

function leafOf(pem: string, file: string): X509Certificate {
  const [leaf] = pem.match(BLOCK) ?? [];
  if (leaf === undefined) throw invalid(`${file} holds no certificate in PEM`);
  return refused(() => new X509Certificate(leaf), file);
}

function secretOf(pem: string, file: string): KeyObject {
  const key = refused(() => createPrivateKey(pem), file);
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const fit =
    (key.asymmetricKeyType === 'rsa' && modulusLength >= MIN_RSA_BITS) ||
    (key.asymmetricKeyType === 'ec' && CURVES.has(namedCurve)) ||
    key.asymmetricKeyType === 'ed25519';
  if (!fit)
    throw invalid(`${file} holds no key of RSA with ${MIN_RSA_BITS} bits or more, P-256, P-384, P-521 or Ed25519`);
  return key;
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'latin1');
  } catch (error) {
    throw invalid(`${file} cannot be read: ${messageOf(error)}`, error);
  }
}

/** OpenSSL says what it does not like in an error of no class of its own. */
function refused<T>(read: () => T, file: string): T {
  try {
    return read();
  } catch (error) {
    throw invalid(`${file} cannot be used: ${messageOf(error)}`, error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function invalid(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('TLS_INVALID', detail, { cause });
}
