import { readCertificates } from '../crypto/x509.ts';
import type { AnchorPurpose, EvidenceGiven, TrustAnchor } from './given.ts';
import type { TrustedRoot } from './verdict.ts';

/**
 * The roots that evidence of this `purpose` may end at: those that the relying party gave. When it gave the certificate of a test
 * root, only that one, and the verdict says so: a test root and a vendor's are never trusted side by side.
 *
 * @param testRoot PEM or DER; from the relying party, never from a file that comes with the evidence
 * @throws FormatError when the test root cannot be read
 */
export function anchorsFor(
  given: EvidenceGiven,
  purpose: AnchorPurpose,
  testRoot: Uint8Array<ArrayBuffer> | undefined,
): readonly TrustAnchor[] {
  // Which of them may vouch for what, the chain is held to.
  if (testRoot === undefined) return given.anchors;
  return readCertificates(testRoot).map((certificate) => ({
    name: `test root ${certificate.subject.text}`,
    fingerprint: certificate.fingerprint,
    source: 'test',
    purposes: [purpose],
    assurance: 'unknown',
    certificate: certificate.der,
  }));
}

/** An anchor as verdicts name it. */
export function trustedRoot({ name, fingerprint, source, assurance }: TrustAnchor): TrustedRoot {
  return { name, fingerprint, source, assurance };
}
