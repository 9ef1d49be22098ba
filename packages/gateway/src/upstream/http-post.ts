import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { AnswerBody, type HeaderFields } from '../mcp/answer-body.ts';
import { parseServerBytes, readServerMessage, readServerMessages, type ServerMessage } from '../mcp/client.ts';
import { claimedIds } from './claimed-ids.ts';
import type { EventLog } from './event-log.ts';
import type { HttpEndpoint, HttpHandlers, HttpRequest } from './http-endpoint.ts';
import type { MonotonicTimers } from './monotonic.ts';
import { type Scope, unsent } from './scope.ts';

/** Of an answer that is no MCP message only this much is read. */
const ERROR_BODY_BYTES = 64 * 1024;
/** After the response, time for the server to end its stream so that the connection can be used again. */
const LINGER_MS = 1000;
/** Before a stream that broke off is taken up again, where the server does not say how long to wait. */
const RETRY_MS = 1000;
/** However short the server wants the wait to be. */
const SHORTEST_RETRY_MS = 100;

export interface PostOptions {
  endpoint: HttpEndpoint;
  maxResponseBytes: number;
  log: EventLog;
  timers: MonotonicTimers;
  /** A request or notification that came on the stream before the response. */
  onMessage: (message: Exclude<ServerMessage, { kind: 'response' }>) => void;
  /** May one event or body hold several messages? */
  batches: boolean;
  /** The scope ended after the request was sent. */
  onGivenUp: () => void;
  /** Header fields of the GET that takes up a stream which broke off; null where the family does not have that. */
  resume: (() => [string, string][]) | null;
}

/** How a POST was answered: by a response to the request's id, or by a status alone. */
export interface PostAnswer {
  status: number;
  headers: HeaderFields;
  response: JsonObject | null;
}

/** Sends one JSON-RPC request (`id`) or notification (null) and waits for its answer, within the bounds of `scope`. */
export function post(
  message: JsonObject,
  id: string | null,
  fields: [string, string][],
  scope: Scope,
  options: PostOptions,
): Promise<PostAnswer> {
  return new Promise((resolve, reject) => {
    const exchange = new PostExchange(id, scope, options, resolve, reject);
    exchange.start(stringifyJson(message), fields);
  });
}

class PostExchange {
  readonly #id: string | null;
  readonly #scope: Scope;
  readonly #options: PostOptions;
  readonly #resolve: (answer: PostAnswer) => void;
  readonly #reject: (error: GatewayError) => void;
  #request: HttpRequest | null = null;
  #off: () => void = () => {};
  #settled = false;
  #status = 0;
  #headers: HeaderFields = {};
  #body: AnswerBody | null = null;
  /** Where the stream can be taken up again; null: nowhere. */
  #lastEventId: string | null = null;
  #resumed = false;
  #stopTimer: () => void = () => {};

  constructor(
    id: string | null,
    scope: Scope,
    options: PostOptions,
    resolve: (answer: PostAnswer) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#id = id;
    this.#scope = scope;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(body: string, fields: [string, string][]): void {
    const headers: [string, string][] = [
      ['content-type', 'application/json'],
      ['accept', 'application/json, text/event-stream'],
      ...fields,
    ];
    const onHead = (status: number, answer: HeaderFields) => this.#onAnswer(status, answer);
    this.#request = this.#options.endpoint.send('POST', headers, body, this.#handlers(onHead));
    if (!this.#settled) this.#off = this.#scope.onEnd((error) => this.#giveUp(error));
  }

  #handlers(onHead: (status: number, headers: HeaderFields) => void): HttpHandlers {
    return {
      head: (status, answer) => this.#guarded(() => onHead(status, answer)),
      data: (chunk) => this.#guarded(() => this.#onData(chunk)),
      end: () => this.#guarded(() => this.#onEnd()),
      fail: (error, sent) => this.#guarded(() => this.#onFailure(error, sent)),
    };
  }

  #giveUp(error: GatewayError): void {
    const sent = this.#resumed || this.#request?.sent === true;
    this.#fail(sent ? error : unsent(error));
    if (sent) this.#options.onGivenUp();
  }

  /** What the answer gets wrong ends the exchange; errors of our own making are not hidden. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#fail(error);
    }
  }

  #onAnswer(status: number, headers: HeaderFields): void {
    this.#status = status;
    this.#headers = headers;
    this.#read(status, headers);
  }

  #read(status: number, headers: HeaderFields): void {
    const answers = this.#answers(status);
    const { maxResponseBytes } = this.#options;
    this.#body = answers
      ? new AnswerBody(headers, maxResponseBytes, (data) => this.#onEvent(data))
      : new AnswerBody(headers, ERROR_BODY_BYTES, null);
    if (answers && this.#body.kind === 'other') throw bad('the answer is neither JSON nor an event stream');
  }

  #onData(chunk: Buffer): void {
    if (this.#settled) return;
    try {
      this.#body?.push(chunk);
    } catch (error) {
      if (!(error instanceof GatewayError) || this.#answers(this.#status)) throw error;
      // A page that is too long is no message, and its status says all there is to know of the call.
      this.#succeed(null);
      this.#request?.abort();
    }
  }

  /** Whether an answer with this status is to hold the response. */
  #answers(status: number): boolean {
    return status === 200 && this.#id !== null;
  }

  #onEvent(data: Buffer): void {
    if (this.#settled) return;
    const { maxResponseBytes, batches, log } = this.#options;
    let messages: ServerMessage[] = [];
    try {
      messages = readServerMessages(parseServerBytes(data, maxResponseBytes), batches);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      log.count('unreadable_message', error.detail);
      if (this.#id !== null && claimedIds(data).includes(this.#id)) throw error;
    }
    for (const message of messages) this.#onMessage(message);
  }

  /** MCP26-17: a response with another id is never released. */
  #onMessage(message: ServerMessage): void {
    if (this.#settled) return;
    if (message.kind !== 'response') this.#options.onMessage(message);
    else if (message.id === this.#id) this.#succeed(message.message);
    else this.#options.log.count('unknown_response', 'an answer to no request of ours was dropped');
  }

  #onEnd(): void {
    this.#stopTimer();
    if (this.#settled) return;
    if (this.#body?.kind === 'stream') this.#streamEnded('the stream ended without a response');
    else if (this.#id === null || this.#body?.kind !== 'json') this.#succeed(null);
    else this.#onBody(this.#body.take());
  }

  #onFailure(error: Error, sent: boolean): void {
    if (this.#settled) this.#stopTimer();
    else if (this.#resumed || this.#body?.kind === 'stream')
      this.#streamEnded(`the connection was lost: ${error.message}`);
    else this.#fail(sent ? lost(error) : unreachable(error));
  }

  /** MCP25-13: a stream that ends early says nothing about the call; where it can be, it is taken up again. */
  #streamEnded(detail: string): void {
    const { resume, timers } = this.#options;
    this.#lastEventId = this.#body?.lastEventId ?? this.#lastEventId;
    if (resume === null || this.#lastEventId === null) throw new GatewayError('OUTCOME_UNKNOWN', detail);
    const waitMs = Math.max(SHORTEST_RETRY_MS, this.#body?.retryMs ?? RETRY_MS);
    const fields: [string, string][] = [...resume(), ['last-event-id', this.#lastEventId]];
    this.#stopTimer = timers.after(waitMs, () => this.#takeUp(fields));
  }

  #takeUp(fields: [string, string][]): void {
    const { endpoint } = this.#options;
    const headers: [string, string][] = [['accept', 'text/event-stream'], ...fields];
    const onHead = (status: number, answer: HeaderFields) => this.#onTakenUp(status, answer);
    this.#resumed = true;
    this.#request = endpoint.send('GET', headers, null, this.#handlers(onHead));
  }

  #onTakenUp(status: number, headers: HeaderFields): void {
    if (status === 200) this.#read(status, headers);
    if (status === 200 && this.#body?.kind === 'stream') return;
    this.#request?.abort();
    // Whoever answers so may be a proxy in between: the server is asked again.
    if (status >= 500) this.#streamEnded(`HTTP ${status}`);
    else throw new GatewayError('OUTCOME_UNKNOWN', 'the stream ended without a response and cannot be taken up again');
  }

  #onBody(bytes: Buffer): void {
    const { maxResponseBytes, batches } = this.#options;
    if (this.#status !== 200) {
      this.#succeed(this.#readErrorBody(bytes));
      return;
    }
    for (const message of readServerMessages(parseServerBytes(bytes, maxResponseBytes), batches)) {
      this.#onMessage(message);
    }
    if (!this.#settled) throw bad('the answer is no response to this request');
  }

  /** Behind an error status only an error to this very request counts as its response. */
  #readErrorBody(bytes: Buffer): JsonObject | null {
    try {
      const message = readServerMessage(parseServerBytes(bytes, ERROR_BODY_BYTES));
      const ours = message.kind === 'response' && message.id === this.#id && Object.hasOwn(message.message, 'error');
      return ours ? message.message : null;
    } catch (error) {
      if (error instanceof GatewayError) return null;
      throw error;
    }
  }

  #succeed(response: JsonObject | null): void {
    if (this.#settled) return;
    this.#settle();
    if (this.#body?.kind === 'stream') {
      this.#stopTimer = this.#options.timers.after(LINGER_MS, () => this.#request?.abort());
    }
    this.#resolve({ status: this.#status, headers: this.#headers, response });
  }

  #fail(error: GatewayError): void {
    this.#stopTimer();
    if (this.#settled) return;
    this.#settle();
    this.#request?.abort();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#off();
  }
}

function lost(error: Error): GatewayError {
  return new GatewayError('OUTCOME_UNKNOWN', `the connection was lost: ${error.message}`, { cause: error });
}

function unreachable(error: Error): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', `no connection: ${error.message}`, { cause: error });
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
