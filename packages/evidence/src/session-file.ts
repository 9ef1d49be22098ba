import type { Checkpoint } from './audit/checkpoint.ts';
import type { AuditEntry } from './audit/entry.ts';
import type { GatewayClaim } from './claim/claim.ts';
import type { JsonObject } from './json/value.ts';

export const SESSION_FORMAT = 'cmcp-session/1';

export const ENTRIES_MEDIA_TYPE = 'application/x-ndjson';

/**
 * What a session file says of the NDJSON file beside it, `*.cmcp.ndjson`, that holds the entries of a long session. It stands in
 * the bundle as `entries_file`, in the place of `entries`.
 */
export interface EntriesFile extends JsonObject {
  /** A name without a folder. */
  name: string;
  /** `sha256:…` over the bytes of that file. */
  digest: string;
  /** How many there are: one to a line, each line ended by one LF. */
  entries: number;
  media_type: typeof ENTRIES_MEDIA_TYPE;
}

/** The portable, offline-verifiable file of one session, `*.cmcp.json` (contracts section 6), with its entries inside. */
export interface SessionFile extends JsonObject {
  format: typeof SESSION_FORMAT;
  claim: GatewayClaim;
  /** The reference's audit bundle. `bundle_signature`: Ed25519 over the 32 bytes H(PYJ(entries)). */
  bundle: { session_id: string; entries: AuditEntry[]; bundle_signature: string };
  checkpoints: Checkpoint[];
  evidence: { role: string; media_type: string; data: string }[];
}
