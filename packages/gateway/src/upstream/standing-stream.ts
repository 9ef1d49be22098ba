import type { ServerMessage } from '../mcp/client.ts';
import type { EventLog } from './event-log.ts';
import { openEventStream, type StreamEnd } from './event-stream.ts';
import type { HttpEndpoint } from './http-endpoint.ts';
import type { MonotonicTimers } from './monotonic.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
const SESSION_OVER = 404;

export interface StandingStreamOptions {
  endpoint: HttpEndpoint;
  fields: [string, string][];
  maxEventBytes: number;
  batches: boolean;
  timers: MonotonicTimers;
  log: EventLog;
  onMessage: (message: ServerMessage) => void;
  /** The stream was opened again, and what was said meanwhile is not replayed. */
  onMissed: () => void;
  /** The server no longer knows the session. */
  onSessionOver: () => void;
}

/**
 * The stream on which a server of a session speaks unasked. One that breaks is opened again where it ended, after the time
 * that the server asks for, and with growing pauses where it says nothing. A server that refuses it is left alone.
 */
export class StandingStream {
  readonly #options: StandingStreamOptions;
  #close: () => void = () => {};
  #stopTimer: () => void = () => {};
  #closed = false;
  #opened = false;
  #lastEventId: string | null = null;
  #retryMs = FIRST_RETRY_MS;

  constructor(options: StandingStreamOptions) {
    this.#options = options;
    this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    this.#close();
  }

  #open(): void {
    const { fields } = this.#options;
    const resumed = this.#lastEventId;
    const openedMs = this.#options.timers.nowMs();
    this.#close = openEventStream({
      ...this.#options,
      body: null,
      fields: resumed === null ? fields : [...fields, ['last-event-id', resumed]],
      onOpen: () => this.#onOpen(resumed !== null),
      onEnd: (end) => this.#onEnd(end, openedMs),
    });
  }

  #onOpen(resumed: boolean): void {
    if (this.#opened && !resumed) this.#options.onMissed();
    this.#opened = true;
  }

  #onEnd({ status, lastEventId, retryMs, spoke }: StreamEnd, openedMs: number): void {
    if (this.#closed) return;
    this.#lastEventId = lastEventId ?? this.#lastEventId;
    if (spoke || this.#options.timers.nowMs() - openedMs >= LONGEST_RETRY_MS) this.#retryMs = FIRST_RETRY_MS;
    if (status === SESSION_OVER) this.#options.onSessionOver();
    else if (status !== null && status < 500) this.close();
    else this.#openAfter(retryMs ?? 0);
  }

  #openAfter(retryMs: number): void {
    const { timers } = this.#options;
    this.#stopTimer = timers.after(Math.max(this.#retryMs, retryMs), () => this.#open());
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }
}
