import type { StreamSink } from '../exchange.ts';
import type { MessageStream } from '../post-answer.ts';
import { formatEvent } from '../sse-events.ts';
import type { KeptStream, ReplayBuffer } from './replay-buffer.ts';

/** How long a client should wait until it connects again. */
const RETRY_MS = 1_000;
/** Expendable messages that wait for a client that lost its connection: they must not push out what is not. */
const MAX_UNSEEN = 64;

/**
 * One stream of messages of a session, whose events have ids, so that it goes on after a lost connection: what was sent
 * meanwhile is sent again, on this stream and no other (MCP25-10).
 */
export class EventStream implements MessageStream, KeptStream {
  /** Unguessable, so that no event of another session can name it. */
  readonly id: string;
  readonly #buffer: ReplayBuffer;
  #sink: StreamSink | null = null;
  /** The newest events, without gaps. */
  #kept: string[] = [];
  #next = 0;
  /** Expendable messages since the connection was lost. */
  #unseen = 0;
  #ended = false;

  /** @param primes whether the stream begins with an event that only brings an id, for a connection lost before the first message */
  constructor(id: string, buffer: ReplayBuffer, primes: boolean) {
    this.id = id;
    this.#buffer = buffer;
    if (primes) this.#emit((event) => formatEvent({ ...event, retryMs: RETRY_MS, data: '' }));
  }

  get connected(): boolean {
    return this.#sink !== null;
  }

  isConnectedTo(sink: StreamSink): boolean {
    return this.#sink === sink;
  }

  /** Nothing will be sent, and nothing can be sent again. */
  get spent(): boolean {
    return this.#ended && this.#kept.length === 0;
  }

  send(message: string, expendable: boolean): void {
    if (this.#ended || (expendable && !this.#takesExpendable())) return;
    this.#emit((event) => formatEvent({ ...event, data: message }));
  }

  /** Nothing more follows; what was sent can still be asked for. */
  end(): void {
    this.#ended = true;
    this.#sink?.end();
  }

  /** Ends the connection, not the stream. */
  disconnect(): void {
    this.#sink?.end();
  }

  /** Goes on, on a new connection, behind the event `after`. */
  connect(sink: StreamSink, after = -1): void {
    this.#sink?.end();
    this.#sink = sink;
    this.#unseen = 0;
    sink.onClose(() => {
      if (this.#sink === sink) this.#sink = null;
    });
    for (const text of this.#kept.slice(after + 1 - this.#first)) sink.write(text);
    if (this.#ended) sink.end();
  }

  /** Whether everything behind the event `after` can be sent. */
  reaches(after: number): boolean {
    return after >= this.#first - 1 && after < this.#next;
  }

  /** Whether something will ever follow the event `after`. */
  continues(after: number): boolean {
    return !this.#ended || after < this.#next - 1;
  }

  forgetOldest(): void {
    this.#kept.shift();
  }

  /** A client that comes back is told what was said meanwhile; one that does not read is not. */
  #takesExpendable(): boolean {
    if (this.#sink !== null) return !this.#sink.full;
    this.#unseen += 1;
    return this.#unseen <= MAX_UNSEEN;
  }

  get #first(): number {
    return this.#next - this.#kept.length;
  }

  #emit(format: (event: { id: string }) => string): void {
    const text = format({ id: `${this.id}-${this.#next}` });
    this.#next += 1;
    // An event without room leaves none of this stream behind: everything older made room for it first.
    if (this.#buffer.keep(this, Buffer.byteLength(text))) this.#kept.push(text);
    this.#sink?.write(text);
  }
}
