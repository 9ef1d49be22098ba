import type { ApprovalExpectation } from './approval/session.ts';
import type { ApproverExpectation } from './escalation/checks.ts';
import type { TrustAnchor } from './hardware/given.ts';
import type { EvidencePolicy } from './hardware/policy.ts';
import type { ManifestContext } from './manifest/context.ts';
import type { RevocationGiven, RevocationSubject } from './revocation/verify.ts';

/** How strongly an entry ties a call to the server that it went to, weakest first (wire-formats section 7.1). */
export const EVIDENCE_CLASSES = ['hash-only', 'spawn-unmeasured', 'tls-pinned', 'spawn-measured'] as const;
export type EvidenceClass = (typeof EVIDENCE_CLASSES)[number];

/** A public key that the relying party trusts, and where that trust comes from. */
export interface TrustedKey {
  /** Raw Ed25519 public key, base64url (JWK `x`). */
  x: string;
  /** Shown in the report, e.g. the file that the key was read from. */
  source: string;
  /** The relying party did not name this key for this question: it adds trust, and another key does not contradict it. */
  remembered?: boolean;
}

/** What a caller got back in `_meta["io.cmcp/call"]` (contracts section 2). The last two are there in strict durability. */
export interface CallReceipt {
  call_id: string;
  session_id: string;
  sequence?: number;
  entry_hash?: string;
}

/** What a controller did in a call, as a document of its own beside the receipt in the entry. */
export interface ActionEvidence {
  payload: Uint8Array | string;
  /** Shown in the report, e.g. the name of the file. */
  source: string;
}

/**
 * What the relying party expects, from its own sources: nothing inside a file is ever an expectation about it (contracts
 * section 5). Everything left out is either required and then lacking, or not looked at.
 */
export interface Expectations {
  /** Claim keys to trust (`--key`). A software session can be verified only under one of these. */
  keys?: readonly TrustedKey[];
  /** Approved policy bundle, `sha256:…`; the prefix may be left out. */
  policyHash?: string;
  /** What the approved policy, given itself, says about calls in general; its hash says nothing if it permits them all. */
  policyIntent?: {
    /** Permits that hold for every call, by id. */
    unconditionalPermits: readonly string[];
    forbids: boolean;
    decidesOnEgress: boolean;
  };
  /** Approved catalog, `sha256:…`; the prefix may be left out. */
  catalogHash?: string;
  /** Approved inspection rules, `sha256:…`, as session_start names them; left out, they are not looked at. */
  rulesHash?: string;
  /** Records of who approved catalog and policy, and whose approvals count (`--reviewers`). */
  approvals?: ApprovalExpectation;
  /** Who may approve calls (`--approvers`, `--approver-key`). */
  approvers?: ApproverExpectation;
  /** Reference value of the platform measurement, with its prefix. */
  measurement?: string;
  /** Reference value of the gateway's code, policy and settings, `sha256:…`: `cmcp attest measure` computes it. */
  gatewayMeasurement?: string;
  /** The reference values of the boot chain are of an image to which nothing can be added (ML3): whatever runs in it is covered. */
  immutableImage?: boolean;
  /** Receipts that callers kept; each must be found in the chain. */
  receipts?: readonly CallReceipt[];
  /** Roots that hardware evidence may chain to. Without them no evidence is authentic. */
  anchors?: readonly TrustAnchor[];
  /** What the relying party accepts of the hardware, and its reference values for registers. */
  evidencePolicy?: EvidencePolicy;
  /** JWKS of NVIDIA's attestation service, as the relying party fetched it. */
  gpuServiceKeys?: Uint8Array<ArrayBuffer>;
  /** Least evidence class of the calls that reached a server (`--min-evidence-class`). */
  minEvidenceClass?: EvidenceClass;
  /** Keys of outside controllers whose receipts entries carry (wire-formats section 14). */
  controllerKeys?: readonly TrustedKey[];

  /** Detached payloads of embodied actions; each must be of a call in the chain. */
  actions?: readonly ActionEvidence[];
  /** What agent manifests are judged by; `document` is the manifest of the agent that a session should have been run for. */
  manifest?: Omit<ManifestContext, 'at' | 'runtime'> & { document?: Uint8Array };
  /** Statements about revoked keys, and the keys that may make them. */
  revocation?: Omit<RevocationGiven, 'now'>;
  /** Where the claim or record stands in the log that revocations speak of. */
  inclusion?: NonNullable<RevocationSubject['inclusion']>;
  /** An entry of the registry, from a copy that is trusted, and the proof that the claim or record is in it. */
  anchor?: { entry: Uint8Array | string; proof: Uint8Array | string };

  /** Relaxations: each is printed in the report. */
  acceptSoftware?: boolean;
  acceptSoftwareTpm?: boolean;
  acceptOperatorRoot?: boolean;
  allowModes?: readonly ('advisory' | 'silent')[];
  unpinnedPolicy?: boolean;
  unpinnedCatalog?: boolean;
  allowPermitAll?: boolean;
  allowExceptions?: boolean;

  /** The verifier's clock, seconds since the epoch. Without it, times are judged against the claim's own `iat`. */
  now?: number;
  /** Oldest attestation to accept, in seconds before `now`; 86,400 when only `now` is given. */
  maxAgeSeconds?: number;
}

/** The relaxations in force, as the flags that stand for them. */
export function relaxationsOf(expectations: Expectations): string[] {
  const flags: [boolean | undefined, string][] = [
    [expectations.acceptSoftware, '--accept-software'],
    [expectations.acceptSoftwareTpm, '--accept-software-tpm'],
    [expectations.acceptOperatorRoot, '--accept-operator-root'],
    [expectations.unpinnedPolicy, '--unpinned-policy'],
    [expectations.unpinnedCatalog, '--unpinned-catalog'],
    [expectations.allowPermitAll, '--allow-permit-all'],
    [expectations.allowExceptions, '--allow-exceptions'],
  ];
  const named = flags.filter(([given]) => given === true).map(([, flag]) => flag);
  return [...named, ...(expectations.allowModes ?? []).map((mode) => `--allow-mode ${mode}`)];
}

/** Whether two digests are the same, whether or not either carries its `sha256:` prefix (wire-formats section 3). */
export function sameDigest(a: string, b: string): boolean {
  return bare(a) === bare(b);
}

function bare(digest: string): string {
  return digest.replace(/^sha256:/, '').toLowerCase();
}
