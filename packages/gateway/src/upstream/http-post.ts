import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { AnswerBody, type HeaderFields } from '../mcp/answer-body.ts';
import { parseServerBytes, readServerMessage, type ServerMessage } from '../mcp/client.ts';
import { claimedIds } from './claimed-ids.ts';
import type { EventLog } from './event-log.ts';
import type { HttpEndpoint, HttpRequest } from './http-endpoint.ts';
import type { MonotonicTimers } from './monotonic.ts';
import { type Scope, unsent } from './scope.ts';

/** Of an answer that is no MCP message only this much is read. */
const ERROR_BODY_BYTES = 64 * 1024;
/** After the response, time for the server to end its stream so that the connection can be used again. */
const LINGER_MS = 1000;

export interface PostOptions {
  endpoint: HttpEndpoint;
  maxResponseBytes: number;
  log: EventLog;
  timers: MonotonicTimers;
  /** A request or notification that came on the stream before the response. */
  onMessage: (message: ServerMessage) => void;
  /** The scope ended after the request was sent. */
  onGivenUp: () => void;
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
  #stopLinger: () => void = () => {};

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
    this.#request = this.#options.endpoint.send('POST', headers, body, {
      head: (status, answer) => this.#guarded(() => this.#onHead(status, answer)),
      data: (chunk) => this.#guarded(() => this.#onData(chunk)),
      end: () => this.#guarded(() => this.#onEnd()),
      fail: (error, sent) => this.#fail(sent ? lost(error) : unreachable(error)),
    });
    if (!this.#settled) this.#off = this.#scope.onEnd((error) => this.#giveUp(error));
  }

  #giveUp(error: GatewayError): void {
    const sent = this.#request?.sent === true;
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

  #onHead(status: number, headers: HeaderFields): void {
    this.#status = status;
    this.#headers = headers;
    const answers = status === 200 && this.#id !== null;
    const { maxResponseBytes } = this.#options;
    this.#body = answers
      ? new AnswerBody(headers, maxResponseBytes, (data) => this.#onEvent(data))
      : new AnswerBody(headers, ERROR_BODY_BYTES, null);
    if (answers && this.#body.kind === 'other') throw bad('the answer is neither JSON nor an event stream');
  }

  #onData(chunk: Buffer): void {
    if (!this.#settled) this.#body?.push(chunk);
  }

  #onEvent(data: Buffer): void {
    if (this.#settled) return;
    let message: ServerMessage;
    try {
      message = readServerMessage(parseServerBytes(data, this.#options.maxResponseBytes));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#options.log.count('unreadable_message', error.detail);
      if (this.#id !== null && claimedIds(data).includes(this.#id)) throw error;
      return;
    }
    if (message.kind === 'response' && message.id === this.#id) this.#succeed(message.message);
    else if (message.kind === 'response' || message.kind === 'other') {
      this.#options.log.count('unknown_response', 'an answer to no request of ours was dropped');
    } else this.#options.onMessage(message);
  }

  #onEnd(): void {
    this.#stopLinger();
    if (this.#settled) return;
    // MCP25-13: a stream that ends early says nothing about the call.
    if (this.#body?.kind === 'stream') throw new GatewayError('OUTCOME_UNKNOWN', 'the stream ended without a response');
    if (this.#id === null || this.#body?.kind !== 'json') this.#succeed(null);
    else this.#succeed(this.#readBody(this.#body.take()));
  }

  #readBody(bytes: Buffer): JsonObject | null {
    if (this.#status !== 200) return this.#readErrorBody(bytes);
    const message = readServerMessage(parseServerBytes(bytes, this.#options.maxResponseBytes));
    // MCP26-17: a response with another id is never released.
    if (message.kind !== 'response' || message.id !== this.#id) throw bad('the answer is no response to this request');
    return message.message;
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
    this.#settled = true;
    this.#off();
    if (this.#body?.kind === 'stream')
      this.#stopLinger = this.#options.timers.after(LINGER_MS, () => this.#request?.abort());
    this.#resolve({ status: this.#status, headers: this.#headers, response });
  }

  #fail(error: GatewayError): void {
    this.#stopLinger();
    if (this.#settled) return;
    this.#settled = true;
    this.#off();
    this.#request?.abort();
    this.#reject(error);
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
