import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { isToolListChange, parseServerBytes, readServerMessage } from '../mcp/client.ts';
import { SseError, SseParser } from '../mcp/sse.ts';
import type { HttpEndpoint, HttpRequest } from './http-endpoint.ts';
import type { MonotonicTimers } from './monotonic.ts';

const MAX_EVENT_BYTES = 64 * 1024;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

export interface ChangeStreamOptions {
  endpoint: HttpEndpoint;
  /** Body of the POST that subscribes; null for the GET stream of the handshake revisions. */
  body: () => JsonObject | null;
  fields: [string, string][];
  timers: MonotonicTimers;
  onChanged: () => void;
}

/**
 * Listens for `notifications/tools/list_changed` on a long-lived stream. A broken stream is opened again with growing
 * pauses, and counts as a change, since an announcement may have been missed. A server that refuses the stream is left alone.
 */
export class ChangeStream {
  readonly #options: ChangeStreamOptions;
  #request: HttpRequest | null = null;
  #stopTimer: () => void = () => {};
  #closed = false;
  #opened = false;
  #retryMs = FIRST_RETRY_MS;

  constructor(options: ChangeStreamOptions) {
    this.#options = options;
    this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    this.#request?.abort();
  }

  #open(): void {
    const { endpoint, fields } = this.#options;
    const body = this.#options.body();
    const headers: [string, string][] = [
      ...fields,
      ['accept', body === null ? 'text/event-stream' : 'application/json, text/event-stream'],
    ];
    if (body !== null) headers.push(['content-type', 'application/json']);
    const parser = new SseParser(MAX_EVENT_BYTES, (event) => this.#onEvent(event.data));
    const openedMs = this.#options.timers.nowMs();
    this.#request = endpoint.send(body === null ? 'GET' : 'POST', headers, body === null ? null : stringifyJson(body), {
      head: (status, answer) => this.#onHead(status, String(answer['content-type'] ?? '')),
      data: (chunk) => this.#onData(parser, chunk),
      end: () => this.#reopen(openedMs),
      fail: () => this.#reopen(openedMs),
    });
  }

  #onHead(status: number, type: string): void {
    if (status !== 200 || !type.toLowerCase().startsWith('text/event-stream')) this.close();
    else if (this.#opened) this.#options.onChanged();
    this.#opened = true;
  }

  #onData(parser: SseParser, chunk: Buffer): void {
    try {
      parser.push(chunk);
    } catch (error) {
      if (!(error instanceof SseError)) throw error;
      this.close();
    }
  }

  #onEvent(data: Buffer): void {
    try {
      if (isToolListChange(readServerMessage(parseServerBytes(data, MAX_EVENT_BYTES)))) this.#options.onChanged();
    } catch (error) {
      // Nothing on this stream is ever released; what cannot be read announces nothing.
      if (!(error instanceof GatewayError)) throw error;
    }
  }

  #reopen(openedMs: number): void {
    if (this.#closed) return;
    const { timers } = this.#options;
    if (timers.nowMs() - openedMs >= LONGEST_RETRY_MS) this.#retryMs = FIRST_RETRY_MS;
    this.#stopTimer = timers.after(this.#retryMs, () => this.#open());
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }
}
