import { buildChain } from '../../crypto/chain.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked } from '../../finding.ts';
import type { TrustAnchor } from '../given.ts';

/** Whom to believe, and when. */
export interface IntelTrust {
  anchors: readonly TrustAnchor[];
  /** Seconds since the epoch. */
  at: number;
}

/** A chain to a trusted root, leaf first, root last. */
export interface IntelChain {
  path: readonly Certificate[];
  anchor: TrustAnchor;
}

/**
 * The chain from a certificate of Intel's attestation PKI to a trusted root, or what was found instead.
 *
 * @param what names the chain in the answer, e.g. `the PCK chain`
 */
export async function intelChain(
  what: string,
  leaf: Certificate,
  pool: readonly Certificate[],
  { anchors, at }: IntelTrust,
): Promise<IntelChain | Finding> {
  const built = await buildChain(leaf, pool, { anchors, purpose: 'intel-sgx', at });
  if (!built.ok) return (built.unsupported ? notChecked : failed)(`${what}: ${built.problem}`);
  return built.weak ? failed(`${what} has a signature over SHA-1, which can be forged`) : built;
}
