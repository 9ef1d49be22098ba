import { member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { Announcing, ServerMessage, Wanted } from '../mcp/client.ts';
import { CANCELLED } from '../mcp/server-notices.ts';
import type { ChangeKind } from '../mcp/types.ts';
import type { EventLog } from './event-log.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { OwnRequests } from './own-requests.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
/** Within that a server has to acknowledge what it is asked to announce. */
const ACKNOWLEDGE_MS = 10_000;

type ByListening = Extract<Announcing, { by: 'listening' }>;

/** What a transport tells of a stream of announcements. */
export interface StreamEvents {
  message(message: ServerMessage): void;
  /** No more messages come. `refused`: the server does not have such streams, so asking again is pointless. */
  ended(refused: boolean): void;
}

/** Sends the request that opens a stream; what is returned closes it, without `ended`. */
export type OpenStream = (id: string, wanted: Wanted, events: StreamEvents) => () => void;

export interface ListeningOptions {
  announcing: ByListening;
  kinds: readonly ChangeKind[];
  open: OpenStream;
  own: OwnRequests;
  timers: MonotonicTimers;
  log: EventLog;
  /** An announcement on an acknowledged stream. */
  onMessage: (message: Exclude<ServerMessage, { kind: 'response' }>) => void;
  /** Announcements may have been missed. */
  onMissed: (wanted: Wanted) => void;
}

interface Stream {
  readonly id: string;
  readonly openedMs: number;
  /** What it was opened for; once it is acknowledged, what the server agreed to of that. */
  uris: ReadonlySet<string>;
  close: () => void;
  stopTimer: () => void;
}

interface Waiter {
  resolve(agreed: boolean): void;
  reject(error: GatewayError): void;
}

/**
 * Has one server announce changes on one stream (MCP26-30). Other resources take another stream, and the old one is closed
 * only once the new one is acknowledged. A stream that breaks is opened again, with growing pauses.
 */
export class Listening {
  readonly #options: ListeningOptions;
  readonly #uris: Set<string>;
  readonly #waiting = new Map<string, Waiter[]>();
  /** The stream that is acknowledged. */
  #current: Stream | null = null;
  /** The one that takes its place as soon as it is. */
  #next: Stream | null = null;
  #stopRetry: () => void = () => {};
  #retryMs = FIRST_RETRY_MS;
  #broken: boolean;
  #over = false;

  /** @param resumed whether there was another connection before, whose announcements may have been missed */
  constructor(uris: Iterable<string>, resumed: boolean, options: ListeningOptions) {
    this.#options = options;
    this.#uris = new Set(uris);
    this.#broken = resumed;
    this.#refresh();
  }

  /** Whether the server agrees to announce changes of a resource. */
  add(uri: string): Promise<boolean> {
    if (this.#over) return Promise.resolve(false);
    if (this.#current?.uris.has(uri)) return Promise.resolve(true);
    this.#uris.add(uri);
    return new Promise((resolve, reject) => {
      this.#waiting.set(uri, [...(this.#waiting.get(uri) ?? []), { resolve, reject }]);
      this.#refresh();
    });
  }

  remove(uri: string): void {
    this.#uris.delete(uri);
    this.#refresh();
  }

  close(): void {
    this.#over = true;
    this.#stopRetry();
    for (const stream of [this.#current, this.#next]) if (stream !== null) this.#drop(stream);
    this.#settle([...this.#waiting.keys()], (waiter) => waiter.reject(unavailable('the connection is closed')));
  }

  /** Opens a stream for what is wanted now, where that is not what the server announces already. */
  #refresh(): void {
    const { kinds } = this.#options;
    if (this.#over || this.#next !== null) return;
    if (this.#current !== null && isSame(this.#current.uris, this.#uris)) return;
    if (kinds.length > 0 || this.#uris.size > 0) this.#open();
    else if (this.#current !== null) this.#drop(this.#current);
  }

  #open(): void {
    this.#stopRetry();
    const { open, own, timers, kinds } = this.#options;
    const uris = new Set(this.#uris);
    const stream: Stream = {
      id: own.nextId(),
      uris,
      openedMs: timers.nowMs(),
      close: () => {},
      stopTimer: timers.after(ACKNOWLEDGE_MS, () => this.#failed(stream, 'acknowledged nothing in time')),
    };
    this.#next = stream;
    stream.close = open(
      stream.id,
      { kinds: [...kinds], uris: [...uris] },
      {
        message: (message) => this.#onMessage(stream, message),
        ended: (refused) => this.#ended(stream, refused),
      },
    );
  }

  #onMessage(stream: Stream, message: ServerMessage): void {
    if (stream === this.#next) this.#onFirst(stream, message);
    else if (stream === this.#current) this.#onLater(stream, message);
  }

  /** The acknowledgement comes first, or the stream is none. */
  #onFirst(stream: Stream, message: ServerMessage): void {
    const agreed = this.#options.announcing.acknowledged(message, stream.id);
    if (agreed === null) this.#failed(stream, 'did not acknowledge it first');
    else this.#acknowledged(stream, agreed);
  }

  #acknowledged(stream: Stream, agreed: Wanted): void {
    stream.stopTimer();
    this.#tell(agreed);
    const old = this.#current;
    const agreedUris = new Set(agreed.uris);
    const kept = [...stream.uris].filter((uri) => agreedUris.has(uri));
    const left = [...stream.uris].filter((uri) => !agreedUris.has(uri));
    for (const uri of left) this.#uris.delete(uri);
    stream.uris = new Set(kept);
    this.#current = stream;
    this.#next = null;
    old?.close();
    this.#settle(kept, (waiter) => waiter.resolve(true));
    this.#settle(left, (waiter) => waiter.resolve(false));
    if (this.#broken) this.#options.onMissed({ kinds: [...this.#options.kinds], uris: kept });
    this.#broken = false;
    this.#refresh();
  }

  /** What a server announced that it would announce, and now does not, is found by the next comparison only. */
  #tell({ kinds }: Wanted): void {
    const missing = this.#options.kinds.filter((kind) => !kinds.includes(kind));
    if (missing.length > 0)
      this.#options.log.count('not_listening', `no changes are announced of ${missing.join(', ')}`);
  }

  #onLater(stream: Stream, message: ServerMessage): void {
    const { announcing, log, onMessage } = this.#options;
    const params = message.kind === 'notification' ? message.params : {};
    const named = announcing.streamOf(params) ?? stream.id;
    if (message.kind === 'response' || isEndOf(stream, message)) {
      stream.close();
      this.#ended(stream, false);
    } else if (named === stream.id) onMessage(message);
    else log.count('notification', 'a notification was ignored');
  }

  #failed(stream: Stream, what: string): void {
    this.#options.log.count('not_listening', `the server was asked to announce changes and ${what}`);
    stream.close();
    this.#ended(stream, false);
  }

  #ended(stream: Stream, refused: boolean): void {
    stream.stopTimer();
    if (stream === this.#current) {
      this.#current = null;
      this.#broken = true;
    } else if (stream === this.#next) {
      this.#next = null;
      this.#giveUpWaiting(refused);
    } else return;
    if (refused) this.#refused();
    else this.#retry(stream);
  }

  /** Who waits for the stream that failed is told; what was agreed on before is asked for again. */
  #giveUpWaiting(refused: boolean): void {
    const uris = [...this.#waiting.keys()];
    for (const uri of uris) this.#uris.delete(uri);
    this.#settle(uris, (waiter) => {
      if (refused) waiter.resolve(false);
      else waiter.reject(unavailable('the server did not open the stream for announcements'));
    });
  }

  #refused(): void {
    this.#over = true;
    this.#options.log.write('not_listening', 'the server does not open a stream for announcements');
    if (this.#current !== null) this.#drop(this.#current);
  }

  #retry(ended: Stream): void {
    const { timers } = this.#options;
    if (this.#over) return;
    if (timers.nowMs() - ended.openedMs >= LONGEST_RETRY_MS) this.#retryMs = FIRST_RETRY_MS;
    this.#stopRetry();
    this.#stopRetry = timers.after(this.#retryMs, () => this.#refresh());
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }

  #drop(stream: Stream): void {
    stream.stopTimer();
    stream.close();
    if (stream === this.#current) this.#current = null;
    if (stream === this.#next) this.#next = null;
  }

  #settle(uris: string[], how: (waiter: Waiter) => void): void {
    for (const uri of uris) {
      const waiters = this.#waiting.get(uri) ?? [];
      this.#waiting.delete(uri);
      for (const waiter of waiters) how(waiter);
    }
  }
}

/** Where streams share a pipe, the server says so when it ends one. */
function isEndOf(stream: Stream, message: ServerMessage): boolean {
  return (
    message.kind === 'notification' && message.method === CANCELLED && member(message.params, 'requestId') === stream.id
  );
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((uri) => b.has(uri));
}

function unavailable(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail);
}
