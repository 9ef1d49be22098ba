import type { JsonObject } from '@cmcp/evidence';
import type { Timers } from '../timers.ts';
import type { HttpAnswer, Outlet, StreamSink } from './exchange.ts';
import { LateSink } from './late-sink.ts';
import { encodeMessage, encodeReply, type Reply } from './reply.ts';

/** Messages in the order in which they are sent, as a revision family frames them. */
export interface MessageStream {
  send(message: string, expendable: boolean): void;
  end(): void;
}

export interface PostAnswerDeps {
  timers: Timers;
  /** Frames messages for the client; null: it takes no stream. */
  stream: ((sink: StreamSink) => MessageStream) | null;
  onFault: (error: unknown) => void;
}

/** How long an answer may take until it becomes a stream, whose signs of life keep the connection open; and between these. */
export const BEAT_MS = 15_000;

/** The answer to one POST: a body, or a stream from the moment that something has to be said before it. */
export class PostAnswer implements Outlet {
  readonly answer: Promise<HttpAnswer>;
  readonly #deps: PostAnswerDeps;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #stopTimer: () => void;
  #stream: MessageStream | null = null;
  #finished = false;

  constructor(deps: PostAnswerDeps) {
    const { promise, resolve } = Promise.withResolvers<HttpAnswer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#deps = deps;
    this.#stopTimer = deps.stream === null ? () => {} : deps.timers.after(BEAT_MS, () => this.#begin());
  }

  get open(): boolean {
    return this.#deps.stream !== null && !this.#finished;
  }

  /** Whether it has become a stream. */
  get streaming(): boolean {
    return this.#stream !== null;
  }

  say(message: JsonObject, expendable = false): boolean {
    const text = this.#finished ? null : encodeMessage(message, this.#deps.onFault);
    if (text === null) return false;
    const stream = this.#begin();
    stream?.send(text, expendable);
    return stream !== null;
  }

  /** The reply, as the body or as the end of the stream. `null`: a stream ends without one. */
  finish(reply: Reply | null): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stopTimer();
    if (this.#stream === null) {
      this.#resolve(reply ?? { status: 202, headers: {}, body: null });
      return;
    }
    const { body = null } = reply ?? {};
    const messages = body === null || Array.isArray(body) ? (body ?? []) : [body];
    for (const message of messages) this.#stream.send(encodeReply(message, this.#deps.onFault), false);
    this.#stream.end();
  }

  #begin(): MessageStream | null {
    const { stream, timers } = this.#deps;
    if (this.#stream !== null || stream === null || this.#finished) return this.#stream;
    this.#stopTimer();
    const sink = new LateSink();
    keepAlive(sink, timers);
    this.#stream = stream(sink);
    this.#resolve({ stream: (given) => sink.connect(given) });
    return this.#stream;
  }
}

/** Gives signs of life on a stream for as long as it is open. */
export function keepAlive(sink: StreamSink, timers: Timers): void {
  sink.onClose(timers.every(BEAT_MS, () => sink.beat()));
}
