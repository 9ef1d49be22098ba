import { buildChain } from '../../crypto/chain.ts';
import { issued, issuedItself, leafOf } from '../../crypto/leaf.ts';
import { type Certificate, readCertificates } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { anchorsFor, trustedRoot } from '../anchors.ts';
import { fileOf } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven, TrustAnchor } from '../given.ts';
import type { TrustedRoot } from '../verdict.ts';
import { akCertificateProblem, ekCertificateProblem, isSoftwareTpm, type TpmDevice, tpmDevice } from './certificate.ts';

/** What was found out about the trust in a key. */
export interface Trust {
  finding: Finding;
  root: TrustedRoot | null;
  /** A certificate in the chain is signed with SHA-1. */
  weak: boolean;
}

/** The roots that may vouch for a TPM, and when. */
export interface TpmRoots {
  anchors: readonly TrustAnchor[];
  at: number;
}

export function tpmRoots(files: EvidenceFiles, given: EvidenceGiven): TpmRoots {
  return { anchors: anchorsFor(given, 'tpm', fileOf(files, 'test_root')), at: given.at };
}

/** The chain of certificates of one key, in any order, to a root; `problemOf` says what is wrong with the leaf. */
export async function chainTo(
  chain: readonly Certificate[],
  roots: TpmRoots,
  problemOf: (leaf: Certificate) => string | null,
): Promise<Trust> {
  return leafTo(leafOf(chain, 'the chain'), chain, roots, problemOf);
}

/** As {@link chainTo}, where the leaf is known: the pool may hold certificates that are none of its chain. */
async function leafTo(
  leaf: Certificate,
  pool: readonly Certificate[],
  { anchors, at }: TpmRoots,
  problemOf: (leaf: Certificate) => string | null,
): Promise<Trust> {
  const problem = problemOf(leaf);
  if (problem !== null) return { finding: failed(problem), root: null, weak: false };
  const built = await buildChain(leaf, pool, { anchors, purpose: 'tpm', at });
  if (!built.ok) {
    const finding = built.unsupported ? notChecked(built.problem) : failed(built.problem);
    return { finding, root: null, weak: false };
  }
  const root = trustedRoot(built.anchor);
  const finding = proven(`the certificate chain leads to ${root.name}`, `${root.name} (${root.fingerprint})`);
  return { finding, root, weak: built.weak };
}

/** Whether nothing is wrong with a chain but that the relying party does not trust its root. */
export async function holdsByItself(
  chain: readonly Certificate[],
  at: number,
  problemOf: (leaf: Certificate) => string | null,
): Promise<boolean> {
  const roots = chain.filter(issuedItself);
  const top = roots.length > 0 ? roots : chain.filter((each) => !chain.some((other) => issued(other, each)));
  const anchors = top.map(({ fingerprint, subject }) => ({
    name: subject.text,
    fingerprint,
    source: 'test' as const,
    purposes: ['tpm' as const],
    assurance: 'unknown' as const,
  }));
  return (await chainTo(chain, { anchors, at }, problemOf)).root !== null;
}

/** A program is not called anything better, whoever vouches for its key. */
export function softwareRoot(root: TrustedRoot): TrustedRoot {
  return { ...root, assurance: 'software-tpm' };
}

/** What certificates without a quote show. */
export interface CertificateTrust extends Trust {
  kind: 'AK' | 'EK';
  device: TpmDevice | null;
}

/** The chain of an AK or of an EK (role `cert_chain`), in any order, to a root. @throws FormatError */
export async function certificateTrust(files: EvidenceFiles, given: EvidenceGiven): Promise<CertificateTrust> {
  const chain = readCertificates(fileOf(files, 'cert_chain') ?? new Uint8Array());
  const leaf = leafOf(chain, 'cert_chain');
  const roots = tpmRoots(files, given);
  if (akCertificateProblem(leaf) !== null) return endorsementTrust(leaf, chain, roots);
  return { kind: 'AK', ...(await namedTrust(leaf, chain, roots, akCertificateProblem)) };
}

/**
 * Whether the maker of a TPM vouches for the endorsement key in `leaf`.
 *
 * @param pool certificates that may stand between it and a root; others among them do no harm
 * @throws FormatError when the device that the certificate names cannot be read
 */
export async function endorsementTrust(
  leaf: Certificate,
  pool: readonly Certificate[],
  roots: TpmRoots,
): Promise<CertificateTrust> {
  return { kind: 'EK', ...(await namedTrust(leaf, pool, roots, ekCertificateProblem)) };
}

async function namedTrust(
  leaf: Certificate,
  pool: readonly Certificate[],
  roots: TpmRoots,
  problemOf: (leaf: Certificate) => string | null,
): Promise<Omit<CertificateTrust, 'kind'>> {
  const device = tpmDevice(leaf);
  const trust = await leafTo(leaf, pool, roots, problemOf);
  const root = trust.root !== null && isSoftwareTpm(device) ? softwareRoot(trust.root) : trust.root;
  return { ...trust, root, device };
}
