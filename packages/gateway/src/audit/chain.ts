import { createHash, hash } from 'node:crypto';
import { type AuditEntry, type Checkpoint, canonicalSorted, type EntryDraft } from '@cmcp/evidence';
import type { Signer } from './signer.ts';
import { countEntry, emptyTally, type Tally } from './tally.ts';
import { formatTimestamp, parseTimestamp } from './timestamp.ts';
import type { Intent, StoredSession } from './types.ts';

/** What the first entry of a chain names as its predecessor. */
export const GENESIS = 'genesis';

/** What linking an entry needs from the process. */
export interface LinkContext {
  /** A fresh UUIDv4 for `entry_id`. */
  uuid(): string;
  nowMicros(): number;
  /** Order of the sensitivity labels. */
  ranks: ReadonlyMap<string, number>;
}

/** Where the next entry is linked: not always behind the last stored one, see recovery.ts. */
export interface Continuation {
  sequence: number;
  previous: string;
}

/** The state of one open session's chain: enough to link, to sign and to claim without reading anything back. */
export class SessionChain {
  readonly session: StoredSession;
  /** Intents without an entry yet, by call id. */
  readonly intents = new Map<string, Intent>();
  readonly tally: Tally = emptyTally();
  /** session_sensitivity_after of the last entry that had one. */
  sensitivity: string | null = null;
  readonly #context: LinkContext;
  readonly #bundle = createHash('sha256').update('[');
  #root = '';
  #previous = GENESIS;
  #sequence = 0;
  #length = 0;
  #lastMicros = 0;
  #signedLength = 0;

  constructor(session: StoredSession, context: LinkContext) {
    this.session = session;
    this.#context = context;
  }

  /** Time of the last entry: microseconds since the epoch. */
  get lastMicros(): number {
    return this.#lastMicros;
  }

  /** Root and tip are bare hex; `length` is the number of entries. */
  get position(): { root: string; tip: string; length: number } {
    return { root: this.#root, tip: this.#previous, length: this.#length };
  }

  /** Links `draft` as the next entry. Its time is never before its predecessor's, whatever the clock does. */
  link(draft: EntryDraft): AuditEntry {
    this.#lastMicros = Math.max(this.#lastMicros, this.#context.nowMicros());
    const entry = placed(draft, {
      entry_id: this.#context.uuid(),
      sequence_number: this.#sequence,
      timestamp_utc: formatTimestamp(this.#lastMicros),
      session_id: this.session.sessionId,
      prev_entry_hash: this.#previous,
    });
    this.#take(entry);
    return entry;
  }

  /** Takes over entries that a store kept, as they are, and continues where `next` says. */
  restore(entries: readonly AuditEntry[], next: Continuation): void {
    for (const entry of entries) {
      this.#take(entry);
      this.#lastMicros = Math.max(this.#lastMicros, parseTimestamp(String(entry.timestamp_utc)) ?? 0);
    }
    this.#sequence = next.sequence;
    this.#previous = next.previous;
  }

  /** Signs the chain as it stands, or null when that was done already. */
  checkpoint(signer: Signer): Checkpoint | null {
    if (this.#signedLength === this.#length) return null;
    this.#signedLength = this.#length;
    return signer.checkpoint(this.session.sessionId, this.#length, this.#previous);
  }

  /** Digest of the bundle of all entries so far: SHA-256 of their array in sorted canonical form. */
  bundleDigest(): Uint8Array {
    return this.#bundle.copy().update(']').digest();
  }

  #take(entry: AuditEntry): void {
    if (this.#length === 0) this.#root = entry.entry_hash;
    this.#bundle.update((this.#length === 0 ? '' : ',') + canonicalSorted(entry));
    this.#previous = entry.entry_hash;
    this.#sequence += 1;
    this.#length += 1;
    if (typeof entry.session_sensitivity_after === 'string') this.sensitivity = entry.session_sensitivity_after;
    countEntry(this.tally, entry, this.#context.ranks);
  }
}

type Place = Pick<AuditEntry, 'entry_id' | 'sequence_number' | 'timestamp_utc' | 'session_id' | 'prev_entry_hash'>;

/** The whole entry: exactly the members of the format, in its order, and the hash over them. */
function placed(draft: EntryDraft, place: Place): AuditEntry {
  const unhashed = {
    entry_id: place.entry_id,
    sequence_number: place.sequence_number,
    timestamp_utc: place.timestamp_utc,
    session_id: place.session_id,
    call_id: draft.call_id,
    entry_type: draft.entry_type,
    tool_name: draft.tool_name,
    server_identity: draft.server_identity,
    policy_decision: draft.policy_decision,
    policy_rule_matched: draft.policy_rule_matched,
    latency_us: draft.latency_us,
    request_payload_hash: draft.request_payload_hash,
    response_payload_hash: draft.response_payload_hash,
    response_inspection_result: draft.response_inspection_result,
    session_sensitivity_before: draft.session_sensitivity_before,
    session_sensitivity_after: draft.session_sensitivity_after,
    detail: draft.detail,
    workflow_id: draft.workflow_id,
    prev_entry_hash: place.prev_entry_hash,
    evidence_class: draft.evidence_class,
    external_execution_evidence: draft.external_execution_evidence,
    effective_data_class: draft.effective_data_class,
    action: draft.action,
    caller: draft.caller,
    caller_source: draft.caller_source,
    on_behalf_of: draft.on_behalf_of,
    policy_ids: draft.policy_ids,
    flow: draft.flow,
    digest_salt_ref: draft.digest_salt_ref,
  };
  return { ...unhashed, entry_hash: hash('sha256', canonicalSorted(unhashed)) };
}
