import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import {
  AnswerBody,
  classify,
  GatewayError,
  type HeaderFields,
  type HttpRequest,
  type OutputPipe,
  parseServerBytes,
  type RequestId,
  type Timers,
} from '@cmcp/gateway/client';
import type { CheckedEndpoint } from './checked-endpoint.ts';
import { ConnectFailure } from './failure.ts';

/** Of one message in either direction. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
/** After the response, time for the gateway to end its stream so that the connection can be used again. */
const LINGER_MS = 1000;

/** One message of the client as an HTTP request. */
export interface Post {
  message: JsonObject;
  /** Of a request; null for a notification or a response. */
  id: RequestId | null;
  /** Header fields that MCP asks for. */
  fields: [string, string][];
  /** The fields name a session: 404 then says that it is over. */
  inSession: boolean;
  signal: AbortSignal;
}

/** How a POST was answered. */
export interface Answer {
  status: number;
  headers: HeaderFields;
  /** The response to the request; null for a notification, and where a stream ended without one. */
  response: JsonObject | null;
}

export interface ExchangeDeps {
  endpoint: CheckedEndpoint;
  /** Where messages go; what comes in waits while it is full. */
  output: OutputPipe;
  timers: Timers;
  /** A notification or request of the server's that came before the response. */
  onMessage: (message: JsonObject) => void;
  /** Something that came and is not passed on. */
  onDropped: (why: string) => void;
}

/**
 * Sends one message of the client and waits for its answer.
 * @throws ConnectFailure
 */
export function exchange(post: Post, deps: ExchangeDeps): Promise<Answer> {
  return new Promise((resolve, reject) => new Exchange(post, deps, resolve, reject).start());
}

class Exchange {
  readonly #post: Post;
  readonly #deps: ExchangeDeps;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (failure: ConnectFailure) => void;
  #request: Pick<HttpRequest, 'abort' | 'pause' | 'resume'> | null = null;
  #status = 0;
  #headers: HeaderFields = {};
  #body: AnswerBody | null = null;
  #settled = false;
  #stopLinger: () => void = () => {};

  constructor(
    post: Post,
    deps: ExchangeDeps,
    resolve: (answer: Answer) => void,
    reject: (failure: ConnectFailure) => void,
  ) {
    this.#post = post;
    this.#deps = deps;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { message, fields, signal } = this.#post;
    const givenUp = (): void => this.#fail(new ConnectFailure('outcome_unknown', 'the request was given up'));
    if (signal.aborted) {
      givenUp();
      return;
    }
    signal.addEventListener('abort', givenUp, { once: true });
    const headers: [string, string][] = [
      ['content-type', 'application/json'],
      ['accept', 'application/json, text/event-stream'],
      ...fields,
    ];
    this.#request = this.#deps.endpoint.send('POST', headers, stringifyJson(message), {
      head: (status, answer) => this.#guarded(() => this.#onHead(status, answer)),
      data: (chunk) => this.#guarded(() => this.#onData(chunk)),
      end: () => {
        this.#stopLinger();
        this.#guarded(() => this.#onEnd());
      },
      fail: (failure) => this.#fail(failure),
    });
  }

  /** What the answer gets wrong ends the exchange; errors of our own making are not hidden. */
  #guarded(step: () => void): void {
    if (this.#settled) return;
    try {
      step();
    } catch (error) {
      if (error instanceof ConnectFailure) this.#fail(error);
      else if (error instanceof GatewayError) this.#fail(invalidAnswer(error.detail, error));
      else throw error;
    }
  }

  #onHead(status: number, headers: HeaderFields): void {
    this.#status = status;
    this.#headers = headers;
    if (status === 404 && this.#post.inSession) throw sessionOver();
    const answers = status === 200 && this.#post.id !== null;
    this.#body = new AnswerBody(headers, MAX_MESSAGE_BYTES, answers ? (data) => this.#onEvent(data) : null);
    if (answers && this.#body.kind === 'other') throw invalidAnswer('it is neither JSON nor an event stream');
  }

  #onData(chunk: Buffer): void {
    this.#body?.push(chunk);
    const { output } = this.#deps;
    if (!output.full || this.#settled) return;
    this.#request?.pause();
    void output.ready().then(() => this.#request?.resume());
  }

  #onEvent(data: Buffer): void {
    if (this.#settled) return;
    const message = readMessage(data);
    if (message.kind === 'response' && this.#answers(message.value)) this.#succeed(message.value);
    else if (message.kind === 'spoken') this.#deps.onMessage(message.value);
    else this.#deps.onDropped('an answer to no request of the client');
  }

  #onEnd(): void {
    const { id } = this.#post;
    const body = this.#body;
    this.#succeed(id === null || body === null || body.kind === 'stream' ? null : this.#readBody(id, body));
  }

  #readBody(id: RequestId, body: AnswerBody): JsonObject {
    const bytes = body.take();
    if (this.#status === 200) return this.#readResponse(bytes);
    const error = body.kind === 'json' ? errorIn(bytes, id) : null;
    if (error === null) throw statusFailure(this.#status);
    // The gateway may refuse before it knows which request it was (401, 413): here it is known.
    return { jsonrpc: '2.0', id, error };
  }

  #readResponse(bytes: Buffer): JsonObject {
    const message = readMessage(bytes);
    // MCP26-17: a response with another id is never released.
    if (message.kind === 'response' && this.#answers(message.value)) return message.value;
    throw invalidAnswer('it is no response to this request');
  }

  #answers(message: JsonObject): boolean {
    return member(message, 'id') === this.#post.id;
  }

  #succeed(response: JsonObject | null): void {
    this.#settled = true;
    if (response !== null && this.#body?.kind === 'stream') {
      this.#stopLinger = this.#deps.timers.after(LINGER_MS, () => this.#request?.abort());
    }
    this.#resolve({ status: this.#status, headers: this.#headers, response });
  }

  #fail(failure: ConnectFailure): void {
    this.#stopLinger();
    if (this.#settled) return;
    this.#settled = true;
    this.#request?.abort();
    this.#reject(failure);
  }
}

/** What the bytes of one message are. @throws ConnectFailure `answer_invalid` */
export function readMessage(bytes: Buffer): { kind: 'response' | 'spoken'; value: JsonObject } {
  try {
    const value = parseServerBytes(bytes, MAX_MESSAGE_BYTES);
    const { kind } = classify(value);
    if (!isObject(value) || kind === 'malformed') throw invalidAnswer('it is no JSON-RPC message');
    return { kind: kind === 'response' ? 'response' : 'spoken', value };
  } catch (error) {
    if (error instanceof GatewayError) throw invalidAnswer(error.detail, error);
    throw error;
  }
}

/** The JSON-RPC error behind an error status, unless it is about another request. */
function errorIn(bytes: Buffer, id: RequestId): JsonObject | null {
  try {
    const { value } = readMessage(bytes);
    const about = member(value, 'id') ?? null;
    const error = member(value, 'error');
    return isObject(error) && (about === null || about === id) ? error : null;
  } catch (error) {
    if (error instanceof ConnectFailure) return null;
    throw error;
  }
}

export function invalidAnswer(detail: string, cause?: unknown): ConnectFailure {
  return new ConnectFailure('answer_invalid', `the gateway gave an answer that is not valid MCP: ${detail}`, { cause });
}

function sessionOver(): ConnectFailure {
  const detail = 'the gateway ended the session (HTTP 404): the client has to connect again';
  return new ConnectFailure('session_over', detail);
}

function statusFailure(status: number): ConnectFailure {
  const redirect = status >= 300 && status < 400 ? ', a redirect, which is not followed' : '';
  return new ConnectFailure('http_status', `the gateway answered with HTTP ${status}${redirect}`);
}
