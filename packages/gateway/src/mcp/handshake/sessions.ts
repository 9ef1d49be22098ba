import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import type { EventStreams } from './event-streams.ts';
import type { HandshakeSession } from './session.ts';

/** A transport session: what an `Mcp-Session-Id` stands for. It routes messages and proves nothing. */
export interface TransportSession {
  readonly id: string;
  readonly session: HandshakeSession;
  readonly streams: EventStreams;
  /** Microseconds since the epoch. */
  lastUsed: number;
}

/** Open transport sessions, least recently used first, never more than `limit` (LIFE-02). */
export class SessionTable {
  readonly #sessions = new Map<string, TransportSession>();
  readonly #clock: Clock;
  readonly #limit: number;
  #opening = 0;

  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  get(id: string): TransportSession | undefined {
    return this.#sessions.get(id);
  }

  /** Marks a session as used now. One that has ended stays ended. */
  touch(entry: TransportSession): void {
    if (!this.#sessions.delete(entry.id)) return;
    entry.lastUsed = this.#clock.nowMicros();
    this.#sessions.set(entry.id, entry);
  }

  /** Forgets a session: from here on its id is unknown. False when it was already. */
  remove(entry: TransportSession): boolean {
    return this.#sessions.delete(entry.id);
  }

  /**
   * Opens a session under `id` once there is room for it.
   * @param evict ends the session that had to make room
   * @throws GatewayError OVERLOADED when every session has a call in flight
   */
  async open(
    id: string,
    caller: Caller,
    streams: EventStreams,
    start: () => Promise<HandshakeSession>,
    evict: (entry: TransportSession) => void,
  ): Promise<TransportSession> {
    while (this.#sessions.size + this.#opening >= this.#limit) evict(this.#leastUsed(caller.subject));
    this.#opening++;
    try {
      const entry = { id, session: await start(), streams, lastUsed: this.#clock.nowMicros() };
      this.#sessions.set(id, entry);
      return entry;
    } finally {
      this.#opening--;
    }
  }

  /** Removes and returns all sessions without a stream or call that were last used more than `ms` milliseconds ago. */
  takeIdle(ms: number): TransportSession[] {
    const before = this.#clock.nowMicros() - ms * 1000;
    const idle = this.#in(
      ({ session, streams, lastUsed }) => lastUsed <= before && !session.busy && !streams.connected,
    );
    for (const entry of idle) this.#sessions.delete(entry.id);
    return idle;
  }

  all(): TransportSession[] {
    return [...this.#sessions.values()];
  }

  takeAll(): TransportSession[] {
    const all = this.all();
    this.#sessions.clear();
    return all;
  }

  /** The caller's own first: who opens many sessions loses their own, not those of others. */
  #leastUsed(subject: string): TransportSession {
    const waiting = this.#in(({ session }) => !session.busy);
    const chosen = waiting.find(({ session }) => session.ref.caller.subject === subject) ?? waiting[0];
    if (chosen === undefined) throw new GatewayError('OVERLOADED', 'every transport session has a call in flight');
    this.#sessions.delete(chosen.id);
    return chosen;
  }

  #in(condition: (entry: TransportSession) => boolean): TransportSession[] {
    return this.all().filter(condition);
  }
}
