import type { BoundManifest } from '../agent-manifest/bind.ts';
import type { Attestation } from '../attestation/types.ts';
import type { AuditLog, ClosedSession, CloseReason } from '../audit/types.ts';
import type { Authority } from '../authority.ts';
import { type Caller, exposedAs, ownerOf, workflowOf } from '../caller.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { SessionRef } from '../mcp/types.ts';
import { commitment } from './commitment.ts';
import type { Exposures } from './exposure.ts';
import type { Freshness, Monotonic } from './freshness.ts';
import { StartRate } from './start-rate.ts';

/** The audited unit: one caller, one bundle, one catalog, one chain, one claim (contracts section 1). */
export interface Session {
  readonly id: string;
  readonly caller: Caller;
  /** Names the session together with its owner in the stateless revision, as the caller asserts. */
  readonly workflow: string | null;
  readonly authority: Authority;
  /** The manifest that it is bound to; null: its caller has none. */
  readonly manifest: BoundManifest | null;
  readonly openedMicros: number;
  /** What this chain already records the drift of. */
  readonly driftRecorded: Set<string>;
  /** Servers whose provenance, as it is now, is in the chain. */
  readonly provenanceRecorded: Set<string>;
}

/** How a request names its session. */
export interface SessionRequest {
  caller: Caller;
  session: SessionRef | null;
  handle: string | null;
  workflow: string | null;
}

interface LiveSession extends Session {
  /** Known before it begins. */
  manifest: BoundManifest | null;
  /** What it serves: one transport, or one owner and workflow of the stateless revision. Successors have the same. */
  readonly line: string;
  lastUsedMicros: number;
  /** Requests that have left it. */
  served: number;
  activeCalls: number;
  drained: (() => void) | null;
  /** Set until session_start is durable. */
  opening: Promise<void> | null;
  /** Set from the turn in which no call may enter any more. */
  closing: Promise<ClosedSession> | null;
  /** Told in that turn. */
  readonly onClosing: Set<() => void>;
}

export interface SessionDeps {
  log: AuditLog;
  exposures: Exposures;
  config: Config;
  attestation: Attestation;
  clock: Clock;
  /** null: no platform gives evidence, so none can grow old. */
  freshness: Freshness | null;
  /** Milliseconds since an arbitrary moment. */
  monotonic: Monotonic;
  newId: () => string;
  /** What a session opened now is governed by. */
  authority: () => Authority;
  /** Whether this caller is stopped: then no session is opened for it. */
  isStopped: (caller: Caller) => boolean;
  /** By `exposedAs`: the predecessor of its first session in this process, from earlier runs. */
  lastSessions: Map<string, string>;
  /** The manifest that binds a session of this caller; rejects with MANIFEST_REFUSED. */
  bind: (caller: Caller, authority: Authority) => Promise<BoundManifest | null>;
}

const NO_WORKFLOW = null;

/** All open sessions of this process. A session is found and entered in one turn, so that a close cannot slip between. */
export class Sessions {
  readonly #deps: SessionDeps;
  /** By id; those that are opening or closing are among them. */
  readonly #open = new Map<string, LiveSession>();
  /** The open session of each line. None of them is closing. */
  readonly #current = new Map<string, LiveSession>();
  readonly #transports = new WeakMap<SessionRef, string>();
  readonly #opening = new Map<string, Promise<LiveSession>>();
  readonly #starts: StartRate;
  #ended = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#starts = new StartRate(deps.config.sessions.startsPerMinute, deps.monotonic);
  }

  /** Opens the session of a handshake transport. Rejects with TOO_MANY_SESSIONS when none can make room. */
  async openTransport(caller: Caller): Promise<SessionRef> {
    const line = `transport ${this.#deps.newId()}`;
    const { id } = await this.#ofLine(line, caller, NO_WORKFLOW);
    const ref: SessionRef = { sessionId: id, caller };
    this.#transports.set(ref, line);
    return ref;
  }

  /** Closes the session that a transport has by now, whichever it was opened with. Its next call would open another. */
  async closeTransport(ref: SessionRef, reason: CloseReason): Promise<void> {
    const line = this.#transports.get(ref) ?? '';
    await this.#opening.get(line);
    const current = this.#current.get(line);
    if (current !== undefined) await this.close(current.id, reason);
  }

  /**
   * The session that a request belongs to, entered: pair with {@link leave}. A transport whose session was closed by time
   * or activation gets a successor. Rejects with SESSION_UNKNOWN for a handle that is not this owner's open session,
   * with TOO_MANY_SESSIONS when none can make room or this caller opens them too fast, with MANIFEST_REFUSED, with ATTESTATION_FAILED when a new one
   * gets no evidence, with ATTESTATION_STALE when that of an open one is too old, with SHUTTING_DOWN at the end.
   */
  async enter(request: SessionRequest): Promise<Session> {
    for (;;) {
      const session = await this.#find(request);
      if (session.closing !== null) continue;
      this.#assertFresh(session);
      session.activeCalls += 1;
      return session;
    }
  }

  #assertFresh({ id }: LiveSession): void {
    const { config, freshness } = this.#deps;
    if (config.attestation.staleness === 'warn_only' || freshness?.isStale(id) !== true) return;
    throw new GatewayError('ATTESTATION_STALE', `the evidence of session ${id} could not be renewed in time`);
  }

  /** An open session by its id, entered, for operators: pair with {@link leave}. Null when there is none, or it is closing. */
  hold(sessionId: string): Session | null {
    const live = this.#open.get(sessionId);
    if (live === undefined || live.closing !== null) return null;
    live.activeCalls += 1;
    return live;
  }

  /** Whether calls may enter it. */
  isOpen(sessionId: string): boolean {
    return this.#open.get(sessionId)?.closing === null;
  }

  /** Those that calls may enter. */
  openNow(): Session[] {
    return [...this.#open.values()].filter(({ closing }) => closing === null);
  }

  leave(session: Session): void {
    const live = this.#open.get(session.id);
    if (live === undefined) return;
    live.activeCalls -= 1;
    live.served += 1;
    live.lastUsedMicros = this.#deps.clock.nowMicros();
    if (live.activeCalls === 0) live.drained?.();
  }

  /** `listener` is told when no call may enter the session any more: what only waits should then end. Returns what takes it away. */
  onClosing(session: Session, listener: () => void): () => void {
    const live = this.#open.get(session.id);
    if (live === undefined || live.closing !== null) listener();
    else live.onClosing.add(listener);
    return () => void live?.onClosing.delete(listener);
  }

  /** Closes once the calls in flight are done; the same promise for every caller. Null when there is no such session. */
  close(sessionId: string, reason: CloseReason): Promise<ClosedSession> | null {
    const session = this.#open.get(sessionId);
    if (session === undefined) return null;
    session.closing ??= this.#finish(session, reason);
    return session.closing;
  }

  /** Those that are open, with how many requests each has served. */
  open(): { id: string; served: number }[] {
    const open = [...this.#open.values()].filter(({ opening, closing }) => opening === null && closing === null);
    return open.map(({ id, served }) => ({ id, served }));
  }

  /** Closes every session that has been idle, or has lived, too long. */
  async sweep(): Promise<void> {
    const now = this.#deps.clock.nowMicros();
    const due = [...this.#open.values()].flatMap((session) => {
      const reason = session.closing === null ? this.#overdue(session, now) : null;
      return reason === null ? [] : [this.close(session.id, reason)];
    });
    await Promise.all(due);
  }

  /**
   * Closes all, those that are being opened included. At activation, call it in the turn in which the authority changed:
   * each session then gets its successor under the new one, but for those that somebody was closing already. From a shutdown on none
   * is opened any more. One failure stops no other.
   */
  async closeAll(reason: 'activation' | 'shutdown'): Promise<void> {
    this.#ended ||= reason === 'shutdown';
    const closing = [...this.#open.values()].map(async (session) => {
      const goesOn = reason === 'activation' && session.closing === null;
      try {
        await this.close(session.id, reason);
        if (goesOn) await this.#succeed(session);
      } catch (error) {
        // One that its manifest refuses, itself or the successor: entered and told, and the caller learns of it with its next request.
        if (!(error instanceof GatewayError) || error.code !== 'MANIFEST_REFUSED') throw error;
      }
    });
    for (const outcome of await Promise.allSettled(closing)) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Opens the successor that an activation brings about: the caller did not ask for it, so it is not counted as a start. */
  async #succeed({ line, caller, workflow }: LiveSession): Promise<void> {
    if (this.#current.has(line) || this.#opening.has(line) || this.#deps.isStopped(caller)) return;
    const opening = this.#openCurrent(line, caller, workflow);
    this.#opening.set(line, opening);
    await opening;
  }

  async #find(request: SessionRequest): Promise<LiveSession> {
    if (request.handle !== null) return this.#byHandle(request.caller, request.handle);
    const { caller, session: transport } = request;
    if (transport === null) return this.#ofLine(lineOf(request), caller, request.workflow);
    const line = this.#transports.get(transport);
    if (line === undefined) throw new GatewayError('SESSION_UNKNOWN', 'this transport has no session');
    const current = await this.#ofLine(line, caller, NO_WORKFLOW);
    transport.sessionId = current.id;
    return current;
  }

  #byHandle(caller: Caller, handle: string): LiveSession {
    const live = this.#open.get(handle);
    // AUTHZ-11: possession of a handle is not authentication; another owner's is as unknown as an invented one.
    if (live === undefined || live.closing !== null || ownerOf(live.caller) !== ownerOf(caller)) {
      throw new GatewayError('SESSION_UNKNOWN', 'no open session of this caller has this handle');
    }
    return live;
  }

  async #ofLine(line: string, caller: Caller, workflow: string | null): Promise<LiveSession> {
    const current = this.#current.get(line);
    if (current !== undefined) return current;
    let opening = this.#opening.get(line);
    if (opening === undefined) {
      if (this.#deps.isStopped(caller)) throw new GatewayError('BLOCKED', `${caller.subject} is stopped`);
      this.#starts.take(exposedAs(caller));
      opening = this.#openCurrent(line, caller, workflow);
      this.#opening.set(line, opening);
    }
    return opening;
  }

  async #openCurrent(line: string, caller: Caller, workflow: string | null): Promise<LiveSession> {
    try {
      const session = await this.#openSession(line, caller, workflow);
      if (session.closing === null) this.#current.set(line, session);
      return session;
    } finally {
      this.#opening.delete(line);
    }
  }

  async #openSession(line: string, caller: Caller, workflow: string | null): Promise<LiveSession> {
    while (!this.#ended && this.#open.size >= this.#deps.config.sessions.maxOpen) await this.#evict();
    if (this.#ended) throw new GatewayError('SHUTTING_DOWN', 'sessions are closing');
    const now = this.#deps.clock.nowMicros();
    const session: LiveSession = {
      id: this.#deps.newId(),
      line,
      caller,
      workflow,
      authority: this.#deps.authority(),
      manifest: null,
      openedMicros: now,
      driftRecorded: new Set(),
      provenanceRecorded: new Set(),
      lastUsedMicros: now,
      served: 0,
      activeCalls: 0,
      drained: null,
      opening: null,
      closing: null,
      onClosing: new Set(),
    };
    // In the turn that counted the others and read the authority: neither the bound nor an activation misses it.
    this.#open.set(session.id, session);
    session.opening = this.#start(session);
    try {
      await session.opening;
    } catch (error) {
      this.#open.delete(session.id);
      throw error;
    }
    session.opening = null;
    return session;
  }

  /** Begins the chain; it commits to what governs the session, and to what its subject has seen before. */
  async #start(session: LiveSession): Promise<void> {
    const { id, caller, authority, openedMicros } = session;
    const { log, exposures, config, attestation, freshness, lastSessions } = this.#deps;
    const manifest = await this.#deps.bind(caller, authority);
    session.manifest = manifest;
    const inherited = exposures.inherit(exposedAs(caller), openedMicros);
    const opening = {
      exposure: inherited.class,
      previousSession: lastSessions.get(exposedAs(caller)) ?? null,
      prevClaimHash: await log.lastClaimHash(),
      manifest,
    };
    const asked = freshness?.now();
    await log.openSession({
      sessionId: id,
      kind: 'session',
      subject: caller.subject,
      callerSource: caller.source,
      onBehalfOf: caller.onBehalfOf ?? null,
      exposedAs: exposedAs(caller),
      exposureClass: inherited.class,
      detail: commitment(config, authority, attestation, opening),
    });
    if (asked !== undefined) freshness?.begun(id, asked);
    lastSessions.set(exposedAs(caller), id);
  }

  /** LIFE-02: the number of open sessions is bounded; the longest idle one makes room. */
  async #evict(): Promise<void> {
    let oldest: LiveSession | null = null;
    for (const session of this.#open.values()) {
      if (session.activeCalls > 0 || session.opening !== null || session.closing !== null) continue;
      if (oldest === null || session.lastUsedMicros < oldest.lastUsedMicros) oldest = session;
    }
    if (oldest === null) throw new GatewayError('TOO_MANY_SESSIONS', 'every open session is in use');
    await this.close(oldest.id, 'idle');
  }

  #overdue(session: LiveSession, nowMicros: number): 'max_age' | 'idle' | null {
    const { idleMs, maxAgeMs } = this.#deps.config.sessions;
    if (nowMicros - session.openedMicros >= maxAgeMs * 1000) return 'max_age';
    const idle = session.activeCalls === 0 && nowMicros - session.lastUsedMicros >= idleMs * 1000;
    return idle ? 'idle' : null;
  }

  async #finish(session: LiveSession, reason: CloseReason): Promise<ClosedSession> {
    // Before anything is awaited: the next request must not be given this session.
    if (this.#current.get(session.line) === session) this.#current.delete(session.line);
    for (const listener of session.onClosing) listener();
    try {
      await session.opening;
      if (session.activeCalls > 0) {
        await new Promise<void>((resolve) => {
          session.drained = resolve;
        });
      }
      return await this.#deps.log.closeSession(session.id, reason);
    } finally {
      this.#open.delete(session.id);
      this.#deps.freshness?.ended(session.id);
    }
  }
}

/** Contracts section 1: in the stateless revision, one open session per owner and workflow. A signed one is part of the owner. */
function lineOf({ caller, workflow }: SessionRequest): string {
  return JSON.stringify([ownerOf(caller), workflowOf(caller, workflow)?.id ?? null]);
}
