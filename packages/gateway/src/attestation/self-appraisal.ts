import { readFile } from 'node:fs/promises';
import {
  type EvidenceVerdict,
  FormatError,
  givenAnchor,
  readCertificates,
  type TrustAnchor,
  VENDOR_ANCHORS,
  verifyCollected,
} from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { EvidenceProvider, TrustLevel } from './types.ts';

/** What the gateway's own verification says of its own evidence. */
export interface SelfAppraisal {
  /** As claims name it. */
  platform: string;
  trustLevel: TrustLevel;
  /** Why it is not better; null for `hardware`. */
  shortcoming: string | null;
}

/**
 * Collects evidence once and verifies it as anyone would: a gateway never calls itself better than its evidence shows (contracts
 * section 4). Roots of the operator change the label and nothing else.
 *
 * @param bound 64 fresh random bytes
 * @param at seconds since the epoch
 * @throws GatewayError ATTESTATION_FAILED when there is none that a verifier could read
 */
export async function appraiseOwnEvidence(
  provider: EvidenceProvider,
  roots: readonly TrustAnchor[],
  bound: Uint8Array<ArrayBuffer>,
  at: number,
): Promise<SelfAppraisal> {
  const [collected] = await provider.collect([bound]);
  if (collected === undefined) throw new GatewayError('ATTESTATION_FAILED', `${provider.kind} gave no evidence`);
  const { platform, evidence, beside, measurement } = collected;
  const anchors = [...VENDOR_ANCHORS, ...roots];
  const verdict = await verifyCollected({ platform, evidence, beside }, bound, { at, anchors, measurement });
  if (verdict === null)
    throw new GatewayError('ATTESTATION_FAILED', `${platform} is a platform that no verifier reads`);
  return { platform, ...labelOf(verdict, provider.isSoftware === true) };
}

/** A TPM that calls itself a program is called one, whoever certified its key. */
function labelOf({ root, authentic, summary }: EvidenceVerdict, isSoftware: boolean): Omit<SelfAppraisal, 'platform'> {
  if (!authentic || root === null) return { trustLevel: 'unverified', shortcoming: summary };
  if (isSoftware || root.assurance === 'software-tpm')
    return { trustLevel: 'software-tpm', shortcoming: 'it is a software TPM' };
  if (root.source === 'vendor') return { trustLevel: 'hardware', shortcoming: null };
  return { trustLevel: 'operator-root', shortcoming: `its chain ends in the operator's root ${root.name}` };
}

/**
 * The operator's roots, for the label.
 *
 * @throws GatewayError CONFIG_INVALID
 */
export async function readRoots(paths: readonly string[]): Promise<TrustAnchor[]> {
  const anchors: TrustAnchor[] = [];
  for (const path of paths) {
    try {
      const certificates = readCertificates(new Uint8Array(await readFile(path)));
      anchors.push(...certificates.map((each) => givenAnchor(each, ['tpm', 'amd-sev', 'intel-sgx'])));
    } catch (cause) {
      if (!(cause instanceof FormatError) && !(cause instanceof Error && 'code' in cause)) throw cause;
      throw new GatewayError('CONFIG_INVALID', `attestation.roots: ${path}: ${cause.message}`, { cause });
    }
  }
  return anchors;
}
