import type { Checkpoint } from './audit/checkpoint.ts';
import type { AuditEntry } from './audit/entry.ts';
import type { GatewayClaim } from './claim/claim.ts';
import type { JsonObject } from './json/value.ts';

export const SESSION_FORMAT = 'cmcp-session/1';

/** The portable, offline-verifiable file of one session, `*.cmcp.json` (contracts section 6). */
export interface SessionFile extends JsonObject {
  format: typeof SESSION_FORMAT;
  claim: GatewayClaim;
  /** The reference's audit bundle. `bundle_signature`: Ed25519 over the 32 bytes H(PYJ(entries)). */
  bundle: { session_id: string; entries: AuditEntry[]; bundle_signature: string };
  checkpoints: Checkpoint[];
  evidence: { role: string; media_type: string; data: string }[];
}
