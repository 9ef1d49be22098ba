import type { JsonObject } from '@cmcp/evidence';
import { AnswerBody, GatewayError, type HttpRequest, type OutputPipe, type Timers } from '@cmcp/gateway/client';
import type { CheckedEndpoint } from './checked-endpoint.ts';
import { MAX_MESSAGE_BYTES, readMessage } from './exchange.ts';
import { ConnectFailure } from './failure.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

export interface ServerStreamDeps {
  endpoint: CheckedEndpoint;
  /** Header fields of the session. */
  fields: [string, string][];
  output: OutputPipe;
  timers: Timers;
  onMessage: (message: JsonObject) => void;
  /** The stream is over for good, or something on it is not passed on. */
  onNote: (what: string) => void;
}

/**
 * The stream on which a server of the handshake revisions speaks first (GET). One that breaks goes on where it broke, with
 * growing pauses, or from then on where that is not to be had; one that is refused is not opened again.
 */
export class ServerStream {
  readonly #deps: ServerStreamDeps;
  #request: Pick<HttpRequest, 'abort' | 'pause' | 'resume'> | null = null;
  #stopTimer: () => void = () => {};
  #closed = false;
  /** MCP25-10: where the stream goes on when its connection is lost. */
  #lastEventId: string | null = null;
  #retryMs = FIRST_RETRY_MS;

  constructor(deps: ServerStreamDeps) {
    this.#deps = deps;
    this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    this.#request?.abort();
  }

  #open(): void {
    const { endpoint, fields } = this.#deps;
    const after = this.#lastEventId;
    const position: [string, string][] = after === null ? [] : [['last-event-id', after]];
    let body: AnswerBody | null = null;
    let refused = false;
    this.#request = endpoint.send('GET', [...fields, ['accept', 'text/event-stream'], ...position], null, {
      head: (status, headers) => {
        refused = status !== 200;
        if (refused) return after === null ? this.#refused(status) : this.#anew();
        this.#guarded(() => {
          body = new AnswerBody(headers, MAX_MESSAGE_BYTES, (data) => this.#onEvent(data));
        });
        this.#retryMs = FIRST_RETRY_MS;
      },
      data: (chunk) => {
        this.#guarded(() => this.#onData(body, chunk));
        this.#lastEventId = body?.lastEventId ?? this.#lastEventId;
      },
      end: () => refused || this.#reopen(),
      fail: (failure) => refused || this.#failed(failure),
    });
  }

  #onData(body: AnswerBody | null, chunk: Buffer): void {
    body?.push(chunk);
    const { output } = this.#deps;
    if (!output.full) return;
    const request = this.#request;
    request?.pause();
    void output.ready().then(() => request?.resume());
  }

  #onEvent(data: Buffer): void {
    if (this.#closed) return;
    const { kind, value } = readMessage(data);
    if (kind === 'spoken') this.#deps.onMessage(value);
    else this.#deps.onNote('dropped an answer to no request of the client');
  }

  #guarded(step: () => void): void {
    if (this.#closed) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof ConnectFailure || error instanceof GatewayError)) throw error;
      this.#end(error.message);
    }
  }

  /** What followed the last event is not to be had any more. */
  #anew(): void {
    this.#lastEventId = null;
    this.#reopen('what was said on it meanwhile is lost');
  }

  /** 405: the server has no such stream, which it may. */
  #refused(status: number): void {
    if (status === 405) this.close();
    else this.#end(`HTTP ${status}`);
  }

  #failed({ reason, message }: ConnectFailure): void {
    if (reason === 'not_attested') this.close();
    else this.#reopen(message);
  }

  #end(why: string): void {
    this.close();
    this.#deps.onNote(`the server can no longer speak first: ${why}`);
  }

  #reopen(why?: string): void {
    if (this.#closed) return;
    if (why !== undefined) this.#deps.onNote(`the server's stream is opened again: ${why}`);
    this.#stopTimer = this.#deps.timers.after(this.#retryMs, () => this.#open());
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }
}
