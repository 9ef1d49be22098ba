import {
  boundBytes,
  type Checkpoint,
  claimDigest,
  type EntryDraft,
  SESSION_FORMAT,
  type SessionFile,
} from '@cmcp/evidence';
import { buildClaim, type Commitment, readCommitment } from '../claim.ts';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { type AnchorPosition, anchorText } from './anchor.ts';
import { type LinkContext, SessionChain } from './chain.ts';
import { attestationRefresh, draftProblem, outcomeUnknown, recovered, sessionEnd, sessionStart } from './drafts.ts';
import { type Attest, earlierEvidence, refreshDetail, type SessionEvidence, SharedFiles } from './evidence.ts';
import { ExposureTable } from './exposure-table.ts';
import { GroupCommit, type Schedule } from './group-commit.ts';
import { examine, recoveredDetail, signedCheckpoints } from './recovery.ts';
import type { SaltBox } from './salt-box.ts';
import { isSessionId, type SessionFiles } from './session-files.ts';
import type { Signer } from './signer.ts';
import type { RecordSeal } from './store-key.ts';
import { rankOrHighest } from './tally.ts';
import type {
  AppendExtra,
  AuditLog,
  AuditStore,
  CallSalt,
  ClosedSession,
  CloseReason,
  CommitBatch,
  EntryReceipt,
  Exposure,
  Intent,
  RecoveredSession,
  SessionOpen,
  SessionRow,
  StandingName,
  StoredClaim,
  StoredSession,
} from './types.ts';

/** Everything that the log touches, as arguments. */
export interface JournalParts {
  store: AuditStore;
  clock: Clock;
  uuid: () => string;
  signer: Signer;
  salts: SaltBox;
  anchors: RecordSeal;
  standings: RecordSeal;
  files: SessionFiles;
  schedule: Schedule;
  /** Evidence about the machine; null without a platform that gives any. */
  attest: Attest | null;
  /** Order of the sensitivity labels. */
  ranks: ReadonlyMap<string, number>;
  gatewayVersion: string;
}

/** An open session. */
interface Live {
  chain: SessionChain;
  /** What its claim will commit to; null: no claim can be made. */
  commitment: Commitment | null;
  /** What vouches for it now; null without a platform, and until the platform has answered. */
  evidence: SessionEvidence | null;
  /** What vouched for the process that the session was recovered from. */
  earlier: SessionEvidence | null;
}

/** Opens the log: recovers every session that the last holder left open, then serves. Rejects with STORE_INVALID or AUDIT_UNAVAILABLE. */
export async function openJournal(parts: JournalParts): Promise<AuditLog> {
  const journal = new Journal(parts, new ExposureTable(await parts.store.exposures()), await parts.store.lastClaim());
  await journal.recover();
  return journal;
}

/** The write-ahead log over an injected store. See {@link AuditLog} for what each operation promises. */
class Journal implements AuditLog {
  readonly publicKey: string;
  readonly recovered: RecoveredSession[] = [];
  readonly #parts: JournalParts;
  readonly #context: LinkContext;
  readonly #commits: GroupCommit;
  readonly #exposures: ExposureTable;
  readonly #live = new Map<string, Live>();
  readonly #closing = new Map<string, Promise<ClosedSession>>();
  /** Chains with entries in the batch that is being filled. */
  readonly #touched = new Set<SessionChain>();
  readonly #sharedFiles = new SharedFiles();
  readonly #startedMicros: number;
  #lastClaim: { number: number; digest: string } | null;

  constructor(parts: JournalParts, exposures: ExposureTable, lastClaim: StoredClaim | null) {
    this.#parts = parts;
    this.publicKey = parts.signer.publicKey;
    this.#context = { uuid: parts.uuid, nowMicros: () => parts.clock.nowMicros(), ranks: parts.ranks };
    this.#commits = new GroupCommit(parts.store, parts.schedule, (batch) => this.#seal(batch));
    this.#exposures = exposures;
    this.#startedMicros = parts.clock.nowMicros();
    this.#lastClaim = lastClaim && { number: lastClaim.number, digest: claimDigest(lastClaim.claim) };
  }

  get failure(): GatewayError | null {
    return this.#commits.failure;
  }

  async exposures(): Promise<Exposure[]> {
    this.#commits.assertAlive();
    return this.#exposures.all();
  }

  async lastClaimHash(): Promise<string | null> {
    this.#commits.assertAlive();
    return this.#lastClaim?.digest ?? null;
  }

  async openSession(open: SessionOpen): Promise<EntryReceipt> {
    const batch = this.#commits.next();
    if (!isSessionId(open.sessionId)) throw new GatewayError('INTERNAL_ERROR', 'the session id cannot name a file');
    if (this.#live.has(open.sessionId)) throw new GatewayError('INTERNAL_ERROR', 'the session is open already');
    const draft = checked(sessionStart(open));
    const commitment = readCommitment(open.detail);
    const session: StoredSession = {
      sessionId: open.sessionId,
      kind: open.kind,
      exposedAs: open.exposedAs ?? open.subject,
      callerSource: open.callerSource,
      openedMicros: this.#parts.clock.nowMicros(),
      state: 'open',
      closeReason: null,
    };
    const live: Live = { chain: new SessionChain(session, this.#context), commitment, evidence: null, earlier: null };
    this.#live.set(open.sessionId, live);
    batch.sessions.push(session);
    const receipt = this.#link(batch, live.chain, draft);
    await this.#begun(live, this.#commits.durable());
    return receipt;
  }

  async refreshEvidence(sessionId: string): Promise<void> {
    const { attest } = this.#parts;
    const live = this.#live.get(sessionId);
    if (attest === null || live === undefined || live.evidence === null) return;
    const evidence = await this.#fresh(attest, live.chain);
    if (this.#live.get(sessionId) === live) await this.#adopt(live, evidence);
  }

  async intent(intent: Intent): Promise<void> {
    const batch = this.#commits.next();
    const { chain } = this.#open(intent.sessionId);
    checked(intent.draft);
    const texts = [intent.callId, intent.method, intent.name, intent.requestDigest, intent.decision];
    if (!texts.every((text) => text.isWellFormed())) throw new GatewayError('INTERNAL_ERROR', 'an intent was refused');
    if (chain.intents.has(intent.callId)) throw new GatewayError('INTERNAL_ERROR', 'the call has an intent already');
    chain.intents.set(intent.callId, intent);
    batch.intents.push(intent);
    await this.#commits.durable();
  }

  async append(sessionId: string, draft: EntryDraft, extra: AppendExtra = {}): Promise<EntryReceipt> {
    const batch = this.#commits.next();
    const { chain } = this.#open(sessionId);
    const receipt = this.#link(batch, chain, checked(draft));
    if (draft.call_id !== null) settle(batch, chain, draft.call_id);
    if (extra.exposure !== undefined) this.#expose(batch, extra.exposure);
    if (extra.salt !== undefined) {
      const { callId, salt } = extra.salt;
      batch.salts.push({ callId, sessionId, sealed: this.#parts.salts.seal(sessionId, callId, salt) });
    }
    if (extra.standing !== undefined) {
      const { name, text } = extra.standing;
      // Beside its name: what was stored under one stands for nothing under another.
      batch.standings.push({ name, text, tag: this.#parts.standings.tag(`${name}\n${text}`) });
    }
    return this.#durable(receipt);
  }

  async standing(name: StandingName): Promise<string | null> {
    this.#commits.assertAlive();
    const stored = await this.#parts.store.standing(name);
    if (stored === null || this.#parts.standings.opens(`${name}\n${stored.text}`, stored.tag))
      return stored?.text ?? null;
    throw new GatewayError(
      'STORE_INVALID',
      `what the audit store remembers of the ${name} was not written with its key`,
    );
  }

  closeSession(sessionId: string, reason: CloseReason): Promise<ClosedSession> {
    const running = this.#closing.get(sessionId);
    if (running !== undefined) return running;
    const closing = this.#close(sessionId, reason).finally(() => this.#closing.delete(sessionId));
    this.#closing.set(sessionId, closing);
    return closing;
  }

  async sessions(): Promise<SessionRow[]> {
    this.#commits.assertAlive();
    return this.#parts.store.allSessions();
  }

  async exportSession(sessionId: string): Promise<SessionFile> {
    const batch = this.#commits.next();
    const live = this.#live.get(sessionId);
    if (live === undefined) {
      await this.#closing.get(sessionId);
      return this.#sessionFile(await this.#storedClaim(sessionId));
    }
    const stored = this.#claim(batch, live);
    if (stored === null) throw new GatewayError('SESSION_UNKNOWN', `session ${sessionId} is still being opened`);
    await this.#commits.durable();
    return this.#sessionFile(stored);
  }

  async salts(sessionId: string): Promise<CallSalt[]> {
    this.#commits.assertAlive();
    const sealed = await this.#parts.store.salts(sessionId);
    return sealed.map((row) => ({
      callId: row.callId,
      salt: this.#parts.salts.open(sessionId, row.callId, row.sealed),
    }));
  }

  async signStatement(statement: Uint8Array): Promise<string> {
    this.#commits.assertAlive();
    return this.#parts.signer.statement(statement);
  }

  async recordAnchor({ index, value }: AnchorPosition): Promise<void> {
    const batch = this.#commits.next();
    const open = [...this.#live.values()].map(({ chain }) => {
      const { length, tip } = chain.position;
      return { session: chain.session.sessionId, length, tip };
    });
    const text = anchorText({ index, value, state: { claim: this.#lastClaim, open } });
    batch.anchor = { text, tag: this.#parts.anchors.tag(text) };
    await this.#commits.durable();
  }

  async close(): Promise<void> {
    await this.#commits.stop();
    await Promise.allSettled(this.#closing.values());
    await this.#parts.store.close();
  }

  /** Closes what the last holder left open. Its lock is ours, so it is gone (contracts section 2). */
  async recover(): Promise<void> {
    for (const session of await this.#parts.store.openSessions()) {
      this.recovered.push(await this.#recoverSession(session));
    }
    for (const sessionId of this.#parts.files.unfinished()) {
      const stored = await this.#parts.store.claim(sessionId);
      if (stored === null) this.#parts.files.discard(sessionId);
      else await this.#parts.files.write(await this.#sessionFile(stored));
    }
  }

  async #recoverSession(session: StoredSession): Promise<RecoveredSession> {
    const { store } = this.#parts;
    const { sessionId } = session;
    if (!isSessionId(sessionId))
      throw new GatewayError('STORE_INVALID', 'a stored session has an id that cannot be one');
    const entries = await store.entries(sessionId);
    const found = examine(sessionId, entries, await store.checkpoints(sessionId));
    const chain = new SessionChain(session, this.#context);
    chain.restore(entries, found.next);
    for (const intent of await store.intents(sessionId)) chain.intents.set(intent.callId, storedIntent(intent));
    const unknownOutcomes = chain.intents.size;
    const commitment = storedCommitment(entries[0]?.detail ?? null);
    const live: Live = { chain, commitment, evidence: null, earlier: await store.evidence(sessionId) };
    const { attest } = this.#parts;
    const evidence = attest === null || commitment === null ? null : await this.#fresh(attest, chain);
    const batch = this.#commits.next();
    const detail = recoveredDetail(found, entries.length);
    this.#link(batch, chain, recovered(detail, chain.sensitivity));
    if (evidence !== null) this.#vouch(batch, live, evidence);
    const claimed = this.#finish(batch, live, 'recovered') !== null;
    await this.#commits.durable();
    const file = claimed ? (await this.#publish(sessionId)).file : null;
    const entriesRecovered = entries.length - (found.covering?.length ?? 0);
    return { sessionId, kind: session.kind, entriesRecovered, unknownOutcomes, damage: found.damage, file };
  }

  /** Resolves once the session may be used: its start is durable, and where there is a platform, so is its evidence. */
  async #begun(live: Live, stored: Promise<void>): Promise<void> {
    const { attest } = this.#parts;
    if (attest === null) return stored;
    const [start, evidence] = await Promise.allSettled([stored, this.#fresh(attest, live.chain)]);
    if (start.status === 'rejected') throw start.reason;
    if (evidence.status === 'fulfilled') return this.#adopt(live, evidence.value);
    const batch = this.#commits.next();
    this.#end(batch, live, 'attestation_failed');
    await this.#commits.durable();
    throw evidence.reason;
  }

  async #fresh(attest: Attest, { position }: SessionChain): Promise<SessionEvidence> {
    const evidence = await attest(boundBytes(this.publicKey, position.root));
    return { ...evidence, beside: this.#sharedFiles.share(evidence.beside) };
  }

  #adopt(live: Live, evidence: SessionEvidence): Promise<void> {
    this.#vouch(this.#commits.next(), live, evidence);
    return this.#commits.durable();
  }

  #vouch(batch: CommitBatch, live: Live, evidence: SessionEvidence): void {
    const { chain } = live;
    this.#link(batch, chain, checked(attestationRefresh(refreshDetail(evidence), chain.sensitivity)));
    batch.evidence.push({ sessionId: chain.session.sessionId, evidence });
    live.evidence = evidence;
  }

  async #close(sessionId: string, reason: CloseReason): Promise<ClosedSession> {
    const batch = this.#commits.next();
    const live = this.#live.get(sessionId);
    if (live !== undefined) {
      this.#finish(batch, live, reason);
      await this.#commits.durable();
    }
    return this.#publish(sessionId);
  }

  /** Links what is left to say, claims, and marks the session closed: all in one commit. */
  #finish(batch: CommitBatch, live: Live, reason: CloseReason): StoredClaim | null {
    const { chain } = live;
    if (this.#claimable(live)) this.#parts.files.announce(chain.session.sessionId);
    for (const intent of [...chain.intents.values()]) {
      const seen = this.#higher(intent.draft.session_sensitivity_after, intent.exposure.class);
      this.#link(batch, chain, outcomeUnknown(intent, seen));
      settle(batch, chain, intent.callId);
      const raised = this.#exposures.raise(intent.exposure);
      if (raised !== null) this.#expose(batch, raised);
    }
    this.#end(batch, live, reason);
    return this.#claim(batch, live);
  }

  #end(batch: CommitBatch, { chain }: Live, reason: CloseReason): void {
    const { sessionId } = chain.session;
    this.#link(batch, chain, sessionEnd(reason, chain.sensitivity));
    batch.sessions.push({ ...chain.session, state: 'closed', closeReason: reason });
    batch.evidence.push({ sessionId, evidence: null });
    this.#live.delete(sessionId);
  }

  /** No report, no claim: where there is a platform, a claim without its evidence would look like one of software (D-38). */
  #claimable(live: Live): boolean {
    return live.commitment !== null && (this.#parts.attest === null || live.evidence !== null);
  }

  #higher(label: string | null, other: string): string {
    const { ranks } = this.#parts;
    return label !== null && rankOrHighest(ranks, label) >= rankOrHighest(ranks, other) ? label : other;
  }

  /** Signs the chain as it stands, and a claim over exactly that. */
  #claim(batch: CommitBatch, live: Live): StoredClaim | null {
    const { chain, commitment, evidence, earlier } = live;
    if (commitment === null || !this.#claimable(live)) return null;
    this.#checkpoint(batch, chain);
    const { signer, clock, gatewayVersion } = this.#parts;
    const { sessionId, openedMicros } = chain.session;
    const number = (this.#lastClaim?.number ?? 0) + 1;
    const claim = signer.claim(
      buildClaim({
        sessionId,
        commitment,
        chain: chain.position,
        tally: chain.tally,
        number,
        previous: this.#lastClaim?.digest ?? null,
        // By the session's own time, which a clock that is set back does not follow.
        nowMicros: Math.max(clock.nowMicros(), chain.lastMicros),
        attestedMicros: evidence?.generatedMicros ?? Math.max(openedMicros, this.#startedMicros),
        evidence,
        publicKey: this.publicKey,
        gatewayVersion,
      }),
    );
    this.#lastClaim = { number, digest: claimDigest(claim) };
    const stored = {
      sessionId,
      number,
      claim,
      bundleSignature: signer.bundle(chain.bundleDigest()),
      beside: [...(evidence?.beside ?? []), ...(earlier === null ? [] : [earlierEvidence(earlier)])],
    };
    batch.claims.push(stored);
    return stored;
  }

  /** The stored claim of a closed session, and its file, written. */
  async #publish(sessionId: string): Promise<ClosedSession> {
    const stored = await this.#storedClaim(sessionId);
    return { claim: stored.claim, file: await this.#parts.files.write(await this.#sessionFile(stored)) };
  }

  async #storedClaim(sessionId: string): Promise<StoredClaim> {
    const stored = await this.#parts.store.claim(sessionId);
    if (stored === null) throw new GatewayError('SESSION_UNKNOWN', `no claim of session ${sessionId}`);
    return stored;
  }

  /** What `stored` claims: its entries, and of the checkpoints those that say something, per key. */
  async #sessionFile(stored: StoredClaim): Promise<SessionFile> {
    const { store } = this.#parts;
    const { sessionId, claim } = stored;
    const { length } = claim.gateway.audit_chain;
    const entries = (await store.entries(sessionId)).slice(0, length);
    // The claim of an open session says nothing of what came later.
    const ours = (checkpoint: Checkpoint): boolean =>
      checkpoint.key !== claim.trace.cnf.jwk.x || checkpoint.length <= length;
    const checkpoints = (await store.checkpoints(sessionId)).filter(ours);
    const signed = signedCheckpoints(sessionId, entries, checkpoints, entries.length);
    return {
      format: SESSION_FORMAT,
      claim,
      bundle: { session_id: sessionId, entries, bundle_signature: stored.bundleSignature },
      checkpoints: [...signed.agreeing, ...signed.contradicting].sort((a, b) => a.length - b.length),
      evidence: stored.beside.map((file) => ({ ...file })),
    };
  }

  #open(sessionId: string): Live {
    const live = this.#live.get(sessionId);
    if (live === undefined) throw new GatewayError('SESSION_UNKNOWN', `session ${sessionId} is not open`);
    return live;
  }

  #link(batch: CommitBatch, chain: SessionChain, draft: EntryDraft): EntryReceipt {
    const entry = chain.link(draft);
    batch.entries.push({ sessionId: chain.session.sessionId, entry });
    this.#touched.add(chain);
    return { sequence: entry.sequence_number, entryHash: entry.entry_hash };
  }

  #expose(batch: CommitBatch, exposure: Exposure): void {
    this.#exposures.put(exposure);
    batch.exposures.push(exposure);
  }

  #checkpoint(batch: CommitBatch, chain: SessionChain): void {
    const checkpoint = chain.checkpoint(this.#parts.signer);
    if (checkpoint !== null) batch.checkpoints.push(checkpoint);
  }

  /** One checkpoint for each session that the batch extends (contracts section 2). */
  #seal(batch: CommitBatch): void {
    for (const chain of this.#touched) this.#checkpoint(batch, chain);
    this.#touched.clear();
  }

  async #durable(receipt: EntryReceipt): Promise<EntryReceipt> {
    await this.#commits.durable();
    return receipt;
  }
}

function checked(draft: EntryDraft): EntryDraft {
  const problem = draftProblem(draft);
  if (problem !== null) throw new GatewayError('INTERNAL_ERROR', `an entry was refused: ${problem}`);
  return draft;
}

function settle(batch: CommitBatch, chain: SessionChain, callId: string): void {
  if (chain.intents.delete(callId)) batch.settled.push(callId);
}

function storedIntent(intent: Intent): Intent {
  const problem = draftProblem(intent.draft);
  if (problem !== null) throw new GatewayError('STORE_INVALID', `the intent of call ${intent.callId}: ${problem}`);
  return intent;
}

/** A rewritten session_start may commit to nothing that a claim could say. Then there is no claim. */
function storedCommitment(detail: EntryDraft['detail']): Commitment | null {
  try {
    return readCommitment(detail);
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  }
}
