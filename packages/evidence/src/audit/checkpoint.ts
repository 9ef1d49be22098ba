import type { JsonObject } from '../json/value.ts';

/**
 * A signed statement that a chain had this length and tip (contracts section 2). One accompanies every durable commit.
 * Signature: Ed25519 over `cmcp-checkpoint-v1|` followed by the sorted canonical form of the object without `signature`.
 */
export interface Checkpoint extends JsonObject {
  session_id: string;
  /** Number of entries covered. */
  length: number;
  /** entry_hash of the last covered entry, bare hex. */
  tip: string;
  /** Raw Ed25519 public key of the signer, base64url (JWK `x`). */
  key: string;
  signature: string;
}
