import type { StreamSink } from '../exchange.ts';
import { EventStream } from './event-stream.ts';
import type { ReplayBuffer } from './replay-buffer.ts';

export interface EventStreamsDeps {
  buffer: ReplayBuffer;
  /** An id for a stream that nobody can guess. */
  newId: () => string;
}

/** `<stream>-<number>`, as event-stream.ts makes them. */
const EVENT_ID = /^([A-Za-z0-9_-]{1,64})-(0|[1-9][0-9]{0,9})$/;

/** The streams of one transport session: one for each POST that became one, and the one on which the session speaks first. */
export class EventStreams {
  readonly #deps: EventStreamsDeps;
  readonly #streams = new Map<string, EventStream>();
  #standalone: EventStream | null = null;
  #primes = false;
  #over = false;

  constructor(deps: EventStreamsDeps) {
    this.#deps = deps;
  }

  /** From now on streams begin with an event that only brings an id; older clients would take it for a message. */
  prime(): void {
    this.#primes = true;
  }

  /** A stream for what concerns one POST. */
  open(): EventStream {
    this.#prune();
    const { newId, buffer } = this.#deps;
    const stream = new EventStream(newId(), buffer, this.#primes);
    this.#streams.set(stream.id, stream);
    return stream;
  }

  /** The session's own stream begins anew: a client that comes back takes over from a connection that it lost. */
  listen(sink: StreamSink): void {
    this.#standalone?.end();
    this.#standalone = this.open();
    this.#standalone.connect(sink);
    if (this.#over) this.#standalone.end();
  }

  /** Whether what is announced now arrives at this connection. */
  announcesTo(sink: StreamSink): boolean {
    return this.#standalone?.isConnectedTo(sink) ?? false;
  }

  /** Says something that belongs to no request: on the session's own stream, if a client ever listened to it. */
  announce(message: string): void {
    this.#standalone?.send(message, false);
  }

  /** Ends the connection of the session's own stream. */
  disconnectStandalone(): void {
    this.#standalone?.disconnect();
  }

  /**
   * How to go on behind an event: with the connection that asks, or `nothing_follows`. Null when no stream of this session has
   * sent the event, or when what followed it is not kept.
   */
  resume(eventId: string): ((sink: StreamSink) => void) | 'nothing_follows' | null {
    const [, id = '', number = ''] = EVENT_ID.exec(eventId) ?? [];
    const stream = this.#streams.get(id);
    const after = Number(number);
    if (stream === undefined || !stream.reaches(after)) return null;
    return stream.continues(after) ? (sink) => stream.connect(sink, after) : 'nothing_follows';
  }

  /** Whether any connection is open. */
  get connected(): boolean {
    return [...this.#streams.values()].some((stream) => stream.connected);
  }

  /** Forgets events that are older than `ms` milliseconds. */
  expire(ms: number): void {
    this.#deps.buffer.expire(ms);
    this.#prune();
  }

  /** Ends all streams for good. */
  end(): void {
    this.#over = true;
    for (const stream of this.#streams.values()) stream.end();
    this.#deps.buffer.clear();
    this.#prune();
  }

  #prune(): void {
    for (const stream of this.#streams.values()) {
      if (stream.spent && !stream.connected) this.#streams.delete(stream.id);
    }
  }
}
