import { equalBytes } from '../bytes/equal.ts';
import { FormatError } from '../format-error.ts';
import type { AnchorPurpose, TrustAnchor } from '../hardware/given.ts';
import { utcText } from '../time.ts';
import { verifySigned } from './signature.ts';
import { type Certificate, EXTENSION, parseCertificate } from './x509.ts';

/** What a chain is built for. Nothing of it comes from the evidence. */
export interface ChainRequest {
  anchors: readonly TrustAnchor[];
  purpose: AnchorPurpose;
  /** Seconds since the epoch; every certificate of the chain is valid then. */
  at: number;
}

/** A chain, or what keeps there from being one. */
export type Chain =
  | {
      ok: true;
      /** Leaf first, the anchor's certificate last. */
      path: Certificate[];
      anchor: TrustAnchor;
      /** A signature in the chain is over SHA-1. */
      weak: boolean;
    }
  | {
      ok: false;
      /** In plain words, without a full stop. */
      problem: string;
      /** The engine lacks an algorithm, so a signature was not checked: nothing was shown to be wrong. */
      unsupported: boolean;
    };

/** Certificates in a path, the anchor's included. The longest genuine chain has five. */
const MAX_DEPTH = 8;
/** Signatures that one request may check: a pool of many certificates of one name must not buy time. */
const MAX_SIGNATURES = 32;
/**
 * Critical extensions that may stand in any certificate of a path: the ones evaluated here; policies, which restrict nothing where
 * no policy is asked for (RFC 5280 section 6.1); the alternative name, which TPM makers use for the TPM's model, and by
 * which nothing is identified here.
 */
const UNDERSTOOD: readonly string[] = [EXTENSION.keyUsage, EXTENSION.basicConstraints, '2.5.29.32', '2.5.29.17'];

/**
 * Extended key usages that fit a purpose: the TCG's for endorsement and attestation keys (TCG EK Credential Profile, section 3.2.16);
 * of a workload, both ends of TLS (SPIFFE X509-SVID, section 4.4).
 */
const KEY_PURPOSES: Readonly<Record<AnchorPurpose, readonly string[]>> = {
  'amd-sev': [],
  'intel-sgx': [],
  tpm: ['2.23.133.8.1', '2.23.133.8.3'],
  'nvidia-device': [],
  spiffe: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
};

/** Why a way ended. `unsupported`: the engine could not check a signature, so nothing was shown to be wrong. */
interface End {
  problem: string;
  unsupported: boolean;
}

interface Search {
  request: ChainRequest;
  candidates: readonly Certificate[];
  /** Signature checks that are left. */
  signatures: number;
  /** The way on which the search got farthest. */
  farthest: End & { depth: number };
}

/**
 * Finds a path from `leaf` to an anchor of the purpose, from the certificates that are given and no others: names chain,
 * signatures verify, everything is valid at `at`, issuers may issue, path lengths hold, no critical extension is unknown. Trust
 * ends at a fingerprint: the name and the self-signature of a root count for nothing. The leaf itself is an anchor only where an
 * operator or a test pinned it.
 */
export async function buildChain(
  leaf: Certificate,
  pool: readonly Certificate[],
  request: ChainRequest,
): Promise<Chain> {
  const problem = certificateProblem(leaf, request);
  if (problem !== null) return { ok: false, problem, unsupported: false };
  const candidates = [...anchorCertificates(request), ...pool];
  const search: Search = {
    request,
    candidates: [...new Map(candidates.map((each) => [each.fingerprint, each])).values()],
    signatures: MAX_SIGNATURES,
    farthest: { depth: 0, problem: '', unsupported: false },
  };
  const found = await climb([], leaf, search);
  if (found !== null) return found;
  return { ok: false, problem: search.farthest.problem, unsupported: search.farthest.unsupported };
}

/** Depth first, so that the search holds one path; every step up costs one of the signatures that are left. */
async function climb(below: readonly Certificate[], top: Certificate, search: Search): Promise<Chain | null> {
  const path = [...below, top];
  const anchor = anchorOf(top, below.length === 0, search.request);
  if (anchor !== null) return { ok: true, path, anchor, weak: below.some(overSha1) };
  const issuers = search.candidates.filter(
    (each) => equalBytes(each.subject.der, top.issuer.der) && path.every((one) => one.fingerprint !== each.fingerprint),
  );
  // A certificate that names itself as issuer ends a chain, even where another of that name could be tried.
  if (issuers.length === 0 || selfIssued(top)) {
    note(search, path.length, { problem: endText(top, search.request), unsupported: false });
  }
  for (const issuer of issuers) {
    const end = await stepProblem(below, top, issuer, search);
    if (end !== null) note(search, path.length, end);
    const chain = end === null ? await climb(path, issuer, search) : null;
    if (chain !== null) return chain;
  }
  return null;
}

function note(search: Search, depth: number, end: End): void {
  if (depth > search.farthest.depth) search.farthest = { depth, ...end };
}

/** What keeps `issuer` from standing above `top`, with `below` under that; null when nothing does. */
async function stepProblem(
  below: readonly Certificate[],
  top: Certificate,
  issuer: Certificate,
  search: Search,
): Promise<End | null> {
  const problem = issuerProblem(below, top, issuer, search.request);
  if (problem !== null) return { problem, unsupported: false };
  if (below.length + 2 > MAX_DEPTH) return { problem: `the chain is longer than ${MAX_DEPTH}`, unsupported: false };
  if (search.signatures === 0) return { problem: 'too many certificates fit the chain by name', unsupported: false };
  search.signatures--;
  const signature = await verifySigned(issuer.key, top);
  if (signature === 'valid') return null;
  if (signature === 'invalid') {
    return {
      problem: `${quoted(top)} is not issued by ${quoted(issuer)}: its signature is not valid`,
      unsupported: false,
    };
  }
  return { problem: `the signature of ${quoted(top)} is by an algorithm that this engine lacks`, unsupported: true };
}

function issuerProblem(
  below: readonly Certificate[],
  top: Certificate,
  issuer: Certificate,
  request: ChainRequest,
): string | null {
  if (!issuer.ca) return `${quoted(issuer)} is not a certification authority, so it cannot have issued ${quoted(top)}`;
  if (issuer.keyUsage !== null && !issuer.keyUsage.has('keyCertSign')) {
    return `${quoted(issuer)} may not sign certificates (its key usage lacks keyCertSign)`;
  }
  // Self-issued certificates do not count, and neither does the leaf (RFC 5280 section 4.2.1.9).
  const intermediates = [...below, top].slice(1).filter((each) => !selfIssued(each));
  if (issuer.pathLength !== null && intermediates.length > issuer.pathLength) {
    return `${quoted(issuer)} allows ${issuer.pathLength} certificates between itself and the leaf, there are ${intermediates.length}`;
  }
  return certificateProblem(issuer, request);
}

/** What keeps a certificate out of any path. */
function certificateProblem(certificate: Certificate, { at, purpose }: ChainRequest): string | null {
  const { notBefore, notAfter, extensions, extendedKeyUsage } = certificate;
  // Written so that a clock that is no number is inside no validity.
  if (!(at >= notBefore)) return `${quoted(certificate)} is not yet valid: it is from ${utcText(notBefore)}`;
  if (!(at <= notAfter)) return `${quoted(certificate)} expired at ${utcText(notAfter)}`;
  const fits = extendedKeyUsage.some((use) => KEY_PURPOSES[purpose].includes(use));
  const known = [...UNDERSTOOD, ...(fits ? [EXTENSION.extendedKeyUsage] : [])];
  const unknown = [...extensions].find(([oid, { critical }]) => critical && !known.includes(oid));
  if (unknown === undefined) return null;
  return unknown[0] === EXTENSION.extendedKeyUsage
    ? `${quoted(certificate)} is for another purpose (extended key usage ${extendedKeyUsage.join(', ')})`
    : `${quoted(certificate)} has a critical extension that is not understood: ${unknown[0]}`;
}

function anchorOf(certificate: Certificate, isLeaf: boolean, { anchors, purpose }: ChainRequest): TrustAnchor | null {
  const anchor = anchors.find(
    (each) => each.fingerprint === certificate.fingerprint && each.purposes.includes(purpose),
  );
  // A vendor's root is public: showing it shows nothing about a device.
  if (anchor === undefined || (isLeaf && anchor.source === 'vendor')) return null;
  return anchor;
}

/** The certificates that anchors bring along. One that is not the pinned certificate is left out: the pin decides. */
function anchorCertificates({ anchors, purpose }: ChainRequest): Certificate[] {
  return anchors.flatMap((anchor) => {
    if (anchor.certificate === undefined || !anchor.purposes.includes(purpose)) return [];
    const certificate = readable(anchor.certificate);
    return certificate?.fingerprint === anchor.fingerprint ? [certificate] : [];
  });
}

function readable(der: Uint8Array<ArrayBuffer>): Certificate | null {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function endText(top: Certificate, { anchors, purpose }: ChainRequest): string {
  const other = anchors.find((each) => each.fingerprint === top.fingerprint);
  if (other?.purposes.includes(purpose)) return `${quoted(top)} is a root, and no certificate of a device`;
  if (other !== undefined)
    return `the chain ends in ${quoted(top)}, which is trusted for ${other.purposes}, not ${purpose}`;
  const end = `the chain ends in ${quoted(top)}, which is not a trusted root`;
  if (selfIssued(top)) return end;
  return `${end}; no certificate of its issuer "${top.issuer.short}" was given`;
}

function selfIssued({ subject, issuer }: Certificate): boolean {
  return equalBytes(subject.der, issuer.der);
}

function overSha1({ signatureScheme }: Certificate): boolean {
  return signatureScheme.kind !== 'ed25519' && signatureScheme.hash === 'sha1';
}

/** Some vendors leave the subject of a device's certificate empty. */
function quoted({ subject, serial }: Certificate): string {
  return subject.text === '' ? `the certificate with serial number ${serial}` : `"${subject.short}"`;
}
