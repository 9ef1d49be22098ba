import { equalBytes } from '../bytes/equal.ts';
import { FormatError } from '../format-error.ts';
import type { Certificate } from './x509.ts';

/**
 * The certificate that issued none of the others, by their names: in whatever order a chain comes, there is one.
 *
 * @throws FormatError when there is none, or more than one
 */
export function leafOf(certificates: readonly Certificate[], role: string): Certificate {
  if (certificates.length === 0) throw new FormatError(`${role} holds no certificate`);
  const distinct = [...new Map(certificates.map((each) => [each.fingerprint, each])).values()];
  const lowest = distinct.filter((each) => !distinct.some((other) => issued(each, other)));
  // A root that belongs to no other certificate here is no leaf beside one.
  const ends = lowest.filter((each) => !issuedItself(each));
  const [leaf, ...others] = ends.length === 0 ? lowest : ends;
  if (leaf === undefined) throw new FormatError(`${role} holds certificates that issued each other, and no leaf`);
  if (others.length > 0) {
    const names = [leaf, ...others].map(({ subject }) => subject.text).join('; ');
    throw new FormatError(`${role} holds more than one leaf, where one chain was expected: ${names}`);
  }
  return leaf;
}

/** Whether `issuer` may have issued `other`, by their names. What is issued by itself is issued by no other. */
export function issued(issuer: Certificate, other: Certificate): boolean {
  return issuer !== other && !issuedItself(other) && equalBytes(other.issuer.der, issuer.subject.der);
}

/** Whether the certificate names itself as its issuer, as a root does. */
export function issuedItself({ issuer, subject }: Certificate): boolean {
  return equalBytes(issuer.der, subject.der);
}
