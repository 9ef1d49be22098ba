import type { EvidencePolicy } from './policy.ts';

/** Files of one piece of evidence by role; the roles are those of `cmcp evidence verify --file ROLE=PATH`. */
export type EvidenceFiles = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;

/**
 * What a root may vouch for: a root of one maker never vouches for another's evidence. `spiffe`: who a workload is, in the trust domain
 * whose bundle the root is from.
 */
export type AnchorPurpose = 'amd-sev' | 'intel-sgx' | 'tpm' | 'nvidia-device' | 'spiffe';

/** A root that the relying party trusts, by the fingerprint of its certificate. */
export interface TrustAnchor {
  name: string;
  /** SHA-256 over the DER certificate, lower-case hex. */
  fingerprint: string;
  source: 'vendor' | 'operator' | 'test';
  purposes: readonly AnchorPurpose[];
  assurance: 'silicon' | 'cloud-vtpm' | 'software-tpm' | 'unknown';
  /** The certificate itself, DER, for chains that do not bring their root. */
  certificate?: Uint8Array<ArrayBuffer>;
}

/** What the relying party brings: the clock, the roots, what it expects, its policy. Nothing of it comes from the evidence. */
export interface EvidenceGiven {
  /** The verifier's clock, seconds since the epoch. */
  at: number;
  anchors: readonly TrustAnchor[];
  /** The user data that the evidence must carry (REPORT_DATA; extraData of a TPM). Shorter than the field: the rest must be zero. */
  userData?: Uint8Array<ArrayBuffer>;
  /** The challenge that the evidence must answer. */
  nonce?: Uint8Array<ArrayBuffer>;
  /** The measurement that the evidence must show, as claims write it: `sha256:…` or `sha384:…` (wire-formats section 11.1), or the bare hex of the field. */
  measurement?: string;
  /** Public key (SPKI DER) of an attestation key that is trusted by itself, without a chain. */
  trustedAk?: Uint8Array<ArrayBuffer>;
  policy?: EvidencePolicy;
}
