import type { X509Certificate } from 'node:crypto';
import { FormatError, parseCertificate } from '@cmcp/evidence';

/** One name as Node writes it; whatever could be taken for the end of a name is inside quotes. */
const NAME = /(?:^|, )([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^",]*)/y;

/**
 * Why a certificate that leads to the right authority is not the X509-SVID of `id`, or null (AUTHZ-12): one URI name and no
 * other, no authority itself, and a key that may sign and may issue nothing.
 */
export function spiffeProblem(certificate: X509Certificate, id: string): string | null {
  const uris = uriNames(certificate.subjectAltName ?? '');
  if (uris === null) return 'the names of the certificate cannot be read';
  if (uris.length !== 1) return `the certificate has ${uris.length} URI names, where an X509-SVID has one`;
  if (uris[0] !== id) return 'the certificate has another SPIFFE id';
  return usageProblem(certificate);
}

function usageProblem(certificate: X509Certificate): string | null {
  try {
    const { ca, keyUsage } = parseCertificate(new Uint8Array(certificate.raw));
    if (ca) return 'the certificate with the SPIFFE id is that of an authority';
    if (keyUsage === null || !keyUsage.has('digitalSignature')) return 'the key with the SPIFFE id may not sign';
    if (keyUsage.has('keyCertSign') || keyUsage.has('cRLSign')) return 'the key with the SPIFFE id may issue';
    return null;
  } catch (error) {
    if (error instanceof FormatError) return `the certificate cannot be read: ${error.message}`;
    throw error;
  }
}

/** Null when the text is not wholly made of names. */
function uriNames(text: string): string[] | null {
  const names = new RegExp(NAME);
  const uris: string[] = [];
  while (names.lastIndex < text.length) {
    const [, kind, value] = names.exec(text) ?? [];
    if (kind === undefined || value === undefined) return null;
    if (kind === 'URI') uris.push(value);
  }
  return uris;
}
