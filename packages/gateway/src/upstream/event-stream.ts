import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { AnswerBody, type HeaderFields } from '../mcp/answer-body.ts';
import { parseServerBytes, readServerMessages, type ServerMessage } from '../mcp/client.ts';
import type { EventLog } from './event-log.ts';
import type { HttpEndpoint } from './http-endpoint.ts';

/** How a stream ended. */
export interface StreamEnd {
  /** Of an answer that was no stream; null: it was one, or nothing answered. */
  status: number | null;
  lastEventId: string | null;
  retryMs: number | null;
  /** It carried at least one message. */
  spoke: boolean;
}

export interface EventStreamOptions {
  endpoint: HttpEndpoint;
  /** Body of the POST that opens the stream; null: a GET opens it. */
  body: JsonObject | null;
  fields: [string, string][];
  maxEventBytes: number;
  /** May one event hold several messages? */
  batches: boolean;
  log: EventLog;
  onOpen: () => void;
  onMessage: (message: ServerMessage) => void;
  onEnd: (end: StreamEnd) => void;
}

/** A long-lived stream on which a server speaks unasked; what is returned closes it, without `onEnd`. */
export function openEventStream(options: EventStreamOptions): () => void {
  const stream = new EventStream(options);
  return () => stream.close();
}

class EventStream {
  readonly #options: EventStreamOptions;
  readonly #abort: () => void;
  #body: AnswerBody | null = null;
  #spoke = false;
  #over = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    const { endpoint, body, fields } = options;
    const headers: [string, string][] = [
      ...fields,
      ['accept', body === null ? 'text/event-stream' : 'application/json, text/event-stream'],
    ];
    if (body !== null) headers.push(['content-type', 'application/json']);
    const request = endpoint.send(body === null ? 'GET' : 'POST', headers, body === null ? null : stringifyJson(body), {
      head: (status, answer) => this.#guarded(() => this.#onHead(status, answer)),
      data: (chunk) => this.#guarded(() => this.#body?.push(chunk)),
      end: () => this.#end(null),
      fail: () => this.#end(null),
    });
    this.#abort = () => request.abort();
  }

  close(): void {
    this.#over = true;
    this.#abort();
  }

  #onHead(status: number, headers: HeaderFields): void {
    const { maxEventBytes, onOpen } = this.#options;
    if (status === 200) this.#body = new AnswerBody(headers, maxEventBytes, (data) => this.#onEvent(data));
    if (this.#body?.kind === 'stream') onOpen();
    else this.#giveUp(status);
  }

  #onEvent(data: Buffer): void {
    if (this.#over) return;
    this.#spoke = true;
    for (const message of this.#readMessages(data)) this.#options.onMessage(message);
  }

  /** Nothing on this stream is ever released; what cannot be read announces nothing. */
  #readMessages(data: Buffer): ServerMessage[] {
    const { maxEventBytes, batches, log } = this.#options;
    try {
      return readServerMessages(parseServerBytes(data, maxEventBytes), batches);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      log.count('unreadable_message', error.detail);
      return [];
    }
  }

  /** What is no stream of events, or none that can be read, ends it. */
  #guarded(step: () => void): void {
    if (this.#over) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#options.log.count('unreadable_message', error.detail);
      this.#giveUp(null);
    }
  }

  #giveUp(status: number | null): void {
    this.#end(status);
    this.#abort();
  }

  #end(status: number | null): void {
    if (this.#over) return;
    this.#over = true;
    const { lastEventId = null, retryMs = null } = this.#body ?? {};
    this.#options.onEnd({ status, lastEventId, retryMs, spoke: this.#spoke });
  }
}
