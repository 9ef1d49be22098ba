import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AnchorPurpose,
  type Certificate,
  equalBytes,
  FormatError,
  givenAnchor,
  readCertificates,
  type TrustAnchor,
} from '@cmcp/evidence';
import { RefusedError } from '../io.ts';

/**
 * The roots in a file that a relying party names: PEM or DER certificates. A root that ships with the package keeps its name and
 * what it may vouch for; any other is the operator's, for `purposes`.
 *
 * @throws RefusedError when the file holds no certificate
 */
export async function readRoots(file: string, purposes: readonly AnchorPurpose[]): Promise<TrustAnchor[]> {
  const certificates = await certificatesIn(file);
  const roots = certificates.filter(isSelfIssued);
  // A chain in the file names its root; a single issuer that somebody pins need not be one.
  return (roots.length > 0 ? roots : certificates).map((certificate) => givenAnchor(certificate, purposes));
}

/** The roots in a folder of certificates: those that name themselves as issuer. What others issued is not a root. */
export async function readRootFolder(folder: string, purposes: readonly AnchorPurpose[]): Promise<TrustAnchor[]> {
  const names = (await readdir(folder)).filter((name) => /\.(?:pem|der|crt|cer)$/.test(name)).sort();
  const certificates = (await Promise.all(names.map((name) => certificatesIn(join(folder, name))))).flat();
  return certificates.filter(isSelfIssued).map((certificate) => givenAnchor(certificate, purposes));
}

function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return equalBytes(subject.der, issuer.der);
}

/** The certificates in a file, PEM or DER. @throws RefusedError when it holds none */
export async function certificatesIn(file: string): Promise<Certificate[]> {
  try {
    return readCertificates(new Uint8Array(await readFile(file)));
  } catch (error) {
    if (error instanceof FormatError) throw new RefusedError(`${file} holds no certificate: ${error.message}`);
    throw error;
  }
}
