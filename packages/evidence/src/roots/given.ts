import type { Certificate } from '../crypto/x509.ts';
import type { AnchorPurpose, TrustAnchor } from '../hardware/given.ts';
import { TPM_MAKER_ANCHORS, VENDOR_ANCHORS } from './vendor.ts';

/**
 * A certificate that a relying party gives as a root. One that this package knows keeps its name and what it may vouch for; any
 * other is the operator's, for `purposes`.
 */
export function givenAnchor(
  { der, fingerprint, subject }: Certificate,
  purposes: readonly AnchorPurpose[],
): TrustAnchor {
  const shipped = [...VENDOR_ANCHORS, ...TPM_MAKER_ANCHORS].find((anchor) => anchor.fingerprint === fingerprint);
  if (shipped !== undefined) return { ...shipped, certificate: der };
  const name = subject.commonName ?? subject.text;
  return { name, fingerprint, source: 'operator', purposes, assurance: 'unknown', certificate: der };
}
