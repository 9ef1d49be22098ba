import type { AuditEntry, Checkpoint, EntryDraft, GatewayClaim, JsonObject, SessionFile } from '@cmcp/evidence';
import type { EvidenceFile } from '../attestation/types.ts';
import type { GatewayError } from '../errors.ts';
import type { AnchorPosition } from './anchor.ts';
import type { SessionEvidence } from './evidence.ts';

/** What a session is opened with. `detail` is the commitment of contracts section 3; the log adds nothing to it. */
export interface SessionOpen {
  sessionId: string;
  /** `gateway` for the chain of events outside any session. */
  kind: 'session' | 'gateway';
  subject: string;
  callerSource: string;
  /** The user whom the subject acts for. */
  onBehalfOf?: string | null;
  /** Whose exposure the session counts to; left out: the subject's. */
  exposedAs?: string;
  detail: JsonObject;
  /** Exposure class that the session starts with. */
  exposureClass: string;
}

/** An unchained promise that a call may have effects; turned into an OUTCOME_UNKNOWN fault if no entry follows. */
export interface Intent {
  callId: string;
  sessionId: string;
  method: string;
  name: string;
  requestDigest: string;
  decision: string;
  timeMicros: number;
  /** Written over the entry's members when recovery turns the intent into a fault. */
  draft: EntryDraft;
  /** Recovery raises the subject's exposure to this: what the call may have shown is not known. */
  exposure: Exposure;
}

/** What an agent has seen (contracts section 1). Outlives sessions. */
export interface Exposure {
  /** Whose it is, as `exposedAs` names it: the subject, but where a credential names a user or a workflow too. */
  subject: string;
  class: string;
  rank: number;
  /** Raised by one at each operator reset; a response in flight across a reset belongs to the older generation. */
  generation: number;
  lastCallMicros: number;
}

/** What a store remembers of who may put something in force, and how far that has come: by the name of what it is about. */
export type StandingName = 'policy' | 'blocks' | 'approvals' | 'limits';

/** A text that takes the place of what the store remembers under this name. */
export interface StandingText {
  name: StandingName;
  text: string;
}

export interface EntryReceipt {
  sequence: number;
  entryHash: string;
}

export type CloseReason =
  | 'client'
  | 'operator'
  | 'idle'
  | 'max_age'
  | 'activation'
  | 'shutdown'
  | 'recovered'
  /** The platform gave no evidence when it was opened: such a session has no claim. */
  | 'attestation_failed';

export interface ClosedSession {
  claim: GatewayClaim;
  /** Absolute path of the session file. */
  file: string;
}

export interface SessionRow {
  sessionId: string;
  kind: 'session' | 'gateway';
  subject: string;
  exposedAs: string;
  openedMicros: number;
  state: 'open' | 'closed';
  closeReason: CloseReason | null;
  entries: number;
  claimNumber: number | null;
}

/** What opening the log found of a session whose holder was gone. */
export interface RecoveredSession {
  sessionId: string;
  kind: 'session' | 'gateway';
  /** Entries that no valid checkpoint covered: kept, and asserted only. */
  entriesRecovered: number;
  /** Calls that ended in an OUTCOME_UNKNOWN fault. */
  unknownOutcomes: number;
  /** What the store contradicts itself in, in words; null for an honest store. The session's file never verifies then. */
  damage: string | null;
  /** Absolute path of the session file; null when the store has no session_start that a claim could be made from. */
  file: string | null;
}

/** Salt of one call's payload digests; stored encrypted, apart from the chain. */
export interface CallSalt {
  callId: string;
  salt: Uint8Array;
}

/** What is stored with an entry, or not at all. */
export interface AppendExtra {
  exposure?: Exposure;
  salt?: CallSalt;
  standing?: StandingText;
}

/**
 * The write-ahead log. All promises reject with GatewayError AUDIT_UNAVAILABLE once a commit has failed, and stay so: a log
 * that lost a record serves nothing more (fail closed). Group commit: whatever is asked within one turn shares one sync.
 */
export interface AuditLog {
  /** Why nothing is recorded any more, null while all is well. Set at the latest when the first promise rejects for it. */
  readonly failure: GatewayError | null;
  /** Raw Ed25519 public key (JWK x) of this process's claim key, which never leaves the log. */
  readonly publicKey: string;
  /** Sessions that were open when the last holder of the store went away; closed with a claim by now. */
  readonly recovered: readonly RecoveredSession[];
  /** Recovered exposures, read at open. */
  exposures(): Promise<Exposure[]>;
  /** Digest (prev_claim_hash form) of the last claim issued from this store, or null; a session commits to it when it opens. */
  lastClaimHash(): Promise<string | null>;
  /**
   * Where the log was opened with a platform, resolves once fresh evidence over key and root is stored too; rejects with
   * ATTESTATION_FAILED, and the session is closed without a claim, when there is none.
   */
  openSession(open: SessionOpen): Promise<EntryReceipt>;
  /**
   * Puts fresh evidence in the place of what an open session has, with an entry. Rejects with ATTESTATION_FAILED and changes
   * nothing when the platform gives none. Nothing to do without a platform, or for a session that is closed or closing.
   */
  refreshEvidence(sessionId: string): Promise<void>;
  /** Durable when it resolves. */
  intent(intent: Intent): Promise<void>;
  /** Links and stores one entry, drops the intent of its call, stores what else is given in the same commit. */
  append(sessionId: string, draft: EntryDraft, extra?: AppendExtra): Promise<EntryReceipt>;
  /** What was last stored beside an entry under this name, or null. Rejects with STORE_INVALID when another key wrote it. */
  standing(name: StandingName): Promise<string | null>;
  /** Appends session_end, signs the final checkpoint and the claim, writes the session file. Idempotent per session. */
  closeSession(sessionId: string, reason: CloseReason): Promise<ClosedSession>;
  sessions(): Promise<SessionRow[]>;
  /**
   * The file of a closed session, or of an open one as it stands, with a claim made for this moment. That claim is numbered
   * and linked like any other; its chain has no session_end.
   */
  exportSession(sessionId: string): Promise<SessionFile>;
  /** Salts of a session's calls, decrypted, for selective disclosure by an operator. */
  salts(sessionId: string): Promise<CallSalt[]>;
  /** Signs the 64 bytes of a live statement with the claim key, to show that it is held now. Base64url. */
  signStatement(statement: Uint8Array): Promise<string>;
  /** Records the counter that anchors the store, with what the store must hold from now on. Durable when it resolves. */
  recordAnchor(position: AnchorPosition): Promise<void>;
  /** Flushes, closes the store, releases the holder lock. */
  close(): Promise<void>;
}

/** One atomic, durable unit of storage. */
export interface CommitBatch {
  sessions: StoredSession[];
  intents: Intent[];
  /** Call ids whose intent is settled. */
  settled: string[];
  entries: { sessionId: string; entry: AuditEntry }[];
  checkpoints: Checkpoint[];
  exposures: Exposure[];
  salts: { callId: string; sessionId: string; sealed: Uint8Array }[];
  claims: StoredClaim[];
  /** What vouches for an open session from now on; null: it is closed, and its claim has what it needs. */
  evidence: { sessionId: string; evidence: SessionEvidence | null }[];
  /** Takes the place of what was recorded of the counter before; null: that stays. */
  anchor: { text: string; tag: string } | null;
  /** Each takes the place of what was stored under its name. */
  standings: (StandingText & { tag: string })[];
}

/** A signed claim, with what its key signed besides: the key is gone with its process. */
export interface StoredClaim {
  sessionId: string;
  /** Place in the store's one sequence of claims. */
  number: number;
  claim: GatewayClaim;
  bundleSignature: string;
  /** Evidence that travels beside the claim in the session file. */
  beside: EvidenceFile[];
}

export interface StoredSession {
  sessionId: string;
  kind: 'session' | 'gateway';
  /** Whose exposure it counts to: the subject, but where a credential names a user or a workflow too. */
  exposedAs: string;
  callerSource: string;
  openedMicros: number;
  state: 'open' | 'closed';
  closeReason: CloseReason | null;
}

/** Storage under the log. SQLite by default; other stores keep the same promises. */
export interface AuditStore {
  /** All or nothing, and on stable storage when it resolves. */
  commit(batch: CommitBatch): Promise<void>;
  openSessions(): Promise<StoredSession[]>;
  allSessions(): Promise<SessionRow[]>;
  /** In the order in which they were stored. */
  entries(sessionId: string): Promise<AuditEntry[]>;
  checkpoints(sessionId: string): Promise<Checkpoint[]>;
  intents(sessionId: string): Promise<Intent[]>;
  exposures(): Promise<Exposure[]>;
  /** The latest claim of a session: exports of an open session have claims of their own. */
  claim(sessionId: string): Promise<StoredClaim | null>;
  /** The claim with the highest number. */
  lastClaim(): Promise<StoredClaim | null>;
  salts(sessionId: string): Promise<{ callId: string; sealed: Uint8Array }[]>;
  /** What vouches for an open session; null when nothing does. */
  evidence(sessionId: string): Promise<SessionEvidence | null>;
  standing(name: StandingName): Promise<{ text: string; tag: string } | null>;
  close(): Promise<void>;
}
