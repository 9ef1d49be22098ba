import type { Attestation } from '../attestation/types.ts';
import type { AuditLog, ClosedSession, CloseReason } from '../audit/types.ts';
import type { Authority } from '../authority.ts';
import type { Caller } from '../caller.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { SessionRef } from '../mcp/types.ts';
import { commitment } from './commitment.ts';
import type { Exposures } from './exposure.ts';

/** The audited unit: one caller, one bundle, one catalog, one chain, one claim (contracts section 1). */
export interface Session {
  readonly id: string;
  readonly caller: Caller;
  /** Names the session together with the subject in the stateless revision; asserted by the caller. */
  readonly workflow: string | null;
  readonly authority: Authority;
  readonly openedMicros: number;
  /** Tools whose drift this chain already records. */
  readonly driftRecorded: Set<string>;
}

/** How a request names its session. */
export interface SessionRequest {
  caller: Caller;
  session: SessionRef | null;
  handle: string | null;
  workflow: string | null;
}

interface LiveSession extends Session {
  lastUsedMicros: number;
  activeCalls: number;
  drained: (() => void) | null;
  closing: Promise<ClosedSession> | null;
}

export interface SessionDeps {
  log: AuditLog;
  exposures: Exposures;
  config: Config;
  attestation: Attestation;
  clock: Clock;
  newId: () => string;
  /** What a session opened now is governed by. */
  authority: () => Authority;
  /** The predecessor of a subject's first session in this process, from earlier runs. */
  lastSessions: Map<string, string>;
}

const INTERNAL_WORKFLOW = null;

/** All open sessions of this process. A session is found and entered in one turn, so that a close cannot slip between. */
export class Sessions {
  readonly #deps: SessionDeps;
  readonly #open = new Map<string, LiveSession>();
  readonly #bySubject = new Map<string, Promise<LiveSession>>();

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  /** Opens the session of a handshake transport. Rejects with TOO_MANY_SESSIONS when none can make room. */
  async openFor(caller: Caller): Promise<Session> {
    return this.#openSession(caller, INTERNAL_WORKFLOW);
  }

  /**
   * The session that a request belongs to, entered: pair with {@link leave}. A transport whose session was closed by time
   * or activation gets a successor. Rejects with SESSION_UNKNOWN for a handle that is not this subject's open session.
   */
  async enter(request: SessionRequest): Promise<Session> {
    for (;;) {
      const session = await this.#find(request);
      if (session.closing !== null) continue;
      session.activeCalls += 1;
      return session;
    }
  }

  leave(session: Session): void {
    const live = this.#open.get(session.id);
    if (live === undefined) return;
    live.activeCalls -= 1;
    live.lastUsedMicros = this.#deps.clock.nowMicros();
    if (live.activeCalls === 0) live.drained?.();
  }

  /** Closes once the calls in flight are done; the same promise for every caller. Null when there is no such session. */
  close(sessionId: string, reason: CloseReason): Promise<ClosedSession> | null {
    const session = this.#open.get(sessionId);
    if (session === undefined) return null;
    session.closing ??= this.#finish(session, reason);
    return session.closing;
  }

  /** Closes every session that has been idle, or has lived, too long. */
  async sweep(): Promise<void> {
    const now = this.#deps.clock.nowMicros();
    const { idleMs, maxAgeMs } = this.#deps.config.sessions;
    const due = [...this.#open.values()].flatMap((session) => {
      if (now - session.openedMicros >= maxAgeMs * 1000) return [this.close(session.id, 'max_age')];
      const idle = session.activeCalls === 0 && now - session.lastUsedMicros >= idleMs * 1000;
      return idle ? [this.close(session.id, 'idle')] : [];
    });
    await Promise.all(due);
  }

  /** Closes all; at activation each gets its successor under the authority now in force. One failure stops no other. */
  async closeAll(reason: 'activation' | 'shutdown'): Promise<void> {
    const closing = [...this.#open.values()].map(async (session) => {
      await this.close(session.id, reason);
      if (reason === 'activation') await this.#ofSubject(session.caller, session.workflow);
    });
    for (const outcome of await Promise.allSettled(closing)) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** The subject of an open session, for operators. */
  get(sessionId: string): Session | null {
    return this.#open.get(sessionId) ?? null;
  }

  get size(): number {
    return this.#open.size;
  }

  async #find(request: SessionRequest): Promise<LiveSession> {
    if (request.handle !== null) return this.#byHandle(request.caller, request.handle);
    if (request.session === null) return this.#ofSubject(request.caller, request.workflow);
    const live = this.#open.get(request.session.sessionId);
    if (live !== undefined && live.closing === null) return live;
    const successor = await this.#ofSubject(request.caller, INTERNAL_WORKFLOW);
    request.session.sessionId = successor.id;
    return successor;
  }

  #byHandle(caller: Caller, handle: string): LiveSession {
    const live = this.#open.get(handle);
    // AUTHZ-11: possession of a handle is not authentication; another subject's is as unknown as an invented one.
    if (live === undefined || live.closing !== null || live.caller.subject !== caller.subject) {
      throw new GatewayError('SESSION_UNKNOWN', 'no open session of this caller has this handle');
    }
    return live;
  }

  #ofSubject(caller: Caller, workflow: string | null): Promise<LiveSession> {
    const key = JSON.stringify([caller.subject, workflow]);
    const known = this.#bySubject.get(key);
    if (known !== undefined) return known;
    const opening = this.#openSession(caller, workflow);
    this.#bySubject.set(key, opening);
    opening.catch(() => this.#forget(key, opening));
    return opening;
  }

  #forget(key: string, opening: Promise<LiveSession>): void {
    if (this.#bySubject.get(key) === opening) this.#bySubject.delete(key);
  }

  async #openSession(caller: Caller, workflow: string | null): Promise<LiveSession> {
    const { log, exposures, config, attestation, clock, newId, lastSessions } = this.#deps;
    await this.#makeRoom();
    const authority = this.#deps.authority();
    const now = clock.nowMicros();
    const inherited = exposures.inherit(caller.subject, now);
    const id = newId();
    await log.openSession({
      sessionId: id,
      kind: 'session',
      subject: caller.subject,
      callerSource: caller.source,
      exposureClass: inherited.class,
      detail: commitment(config, authority, attestation, {
        exposure: inherited.class,
        previousSession: lastSessions.get(caller.subject) ?? null,
        prevClaimHash: await log.lastClaimHash(),
      }),
    });
    lastSessions.set(caller.subject, id);
    const session: LiveSession = {
      id,
      caller,
      workflow,
      authority,
      openedMicros: now,
      driftRecorded: new Set(),
      lastUsedMicros: now,
      activeCalls: 0,
      drained: null,
      closing: null,
    };
    this.#open.set(id, session);
    return session;
  }

  /** LIFE-02: the number of open sessions is bounded; the longest idle one makes room. */
  async #makeRoom(): Promise<void> {
    if (this.#open.size < this.#deps.config.sessions.maxOpen) return;
    let oldest: LiveSession | null = null;
    for (const session of this.#open.values()) {
      if (session.activeCalls > 0 || session.closing !== null) continue;
      if (oldest === null || session.lastUsedMicros < oldest.lastUsedMicros) oldest = session;
    }
    if (oldest === null) throw new GatewayError('TOO_MANY_SESSIONS', 'every open session has a call in flight');
    await this.close(oldest.id, 'idle');
  }

  async #finish(session: LiveSession, reason: CloseReason): Promise<ClosedSession> {
    const key = JSON.stringify([session.caller.subject, session.workflow]);
    const current = this.#bySubject.get(key);
    if (current !== undefined && (await current) === session) this.#forget(key, current);
    if (session.activeCalls > 0) {
      await new Promise<void>((resolve) => {
        session.drained = resolve;
      });
    }
    const closed = await this.#deps.log.closeSession(session.id, reason);
    this.#open.delete(session.id);
    return closed;
  }
}
