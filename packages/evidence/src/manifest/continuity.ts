import { equalBytes } from '../bytes/equal.ts';
import { decodeHex } from '../bytes/hex.ts';
import { EncodingError } from '../bytes/utf8.ts';
import { sha256 } from '../crypto/sha256.ts';
import { isConsistent } from '../merkle/consistency.ts';
import type { AuditChainContinuity } from './context.ts';

/** The audit chain that a manifest binds. */
interface SignedTrace {
  audit_chain_root?: string;
  entry_count?: number | null;
  trace_type?: string;
}

const DEFAULT_TTL = 300;

/**
 * Whether the chain that runs, with root `running`, is the one that the manifest binds with entries appended and nothing else
 * changed, and was seen recently. Anything that cannot be read proves nothing.
 *
 * @param at seconds since the epoch
 */
export function extendsSignedRoot(
  { audit_chain_root, entry_count, trace_type = 'hash-chained' }: SignedTrace,
  running: string,
  growth: AuditChainContinuity,
  at: number,
): boolean {
  const { signedTreeSize: before, currentTreeSize: now, signedSeq, currentSeq, observedAt = at } = growth;
  const sizes = [before, now, signedSeq, currentSeq].every(Number.isSafeInteger);
  if (!sizes || before < 1) return false;
  // The number of entries is the one size that the issuer signed.
  if (entry_count != null && entry_count !== before) return false;
  // A chain that moves under the same checkpoint number, or a lower one, is another chain.
  if (currentSeq < signedSeq || (currentSeq === signedSeq && now !== before)) return false;
  if (!(at <= observedAt + (growth.ttlSeconds ?? DEFAULT_TTL))) return false;
  const [from, to] = [rootBytes(audit_chain_root), rootBytes(running)];
  if (from === null || to === null) return false;
  if (trace_type === 'merkle-log') {
    const proof = hashes(growth.consistencyProof);
    return proof !== null && isConsistent({ size: before, root: from }, { size: now, root: to }, proof);
  }
  const appended = hashes(growth.appendedEntryLeaves);
  if (trace_type !== 'hash-chained' || appended === null || appended.length !== now - before) return false;
  let chain = from;
  for (const leaf of appended) chain = sha256(Uint8Array.of(2, ...chain, ...leaf));
  return equalBytes(chain, to);
}

function rootBytes(root: string | undefined): Uint8Array<ArrayBuffer> | null {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(root ?? '')?.[1];
  return hex === undefined ? null : decodeHex(hex);
}

/** The hashes of a proof, or null when one of them is none. */
function hashes(texts: readonly string[] = []): Uint8Array<ArrayBuffer>[] | null {
  try {
    const all = texts.map(decodeHex);
    return all.every(({ length }) => length === 32) ? all : null;
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}
