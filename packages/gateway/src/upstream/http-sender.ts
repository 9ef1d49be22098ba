import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import {
  answerServerRequest,
  type ClientDialect,
  cancelled,
  isToolListChange,
  request,
  type ServerMessage,
} from '../mcp/client.ts';
import type { EventLog } from './event-log.ts';
import type { HttpEndpoint } from './http-endpoint.ts';
import { type PostAnswer, post } from './http-post.ts';
import type { MonotonicTimers } from './monotonic.ts';
import { Scope } from './scope.ts';

/** For messages that nobody waits for: cancellations, answers to the server, the end of a session. */
const ASIDE_MS = 2000;
const MAX_ASIDES = 8;

/** Under what a message is sent. */
export interface Terms {
  dialect: ClientDialect;
  /** Session of a handshake revision. */
  session: string | null;
}

export interface HttpRequestMessage {
  id: string;
  method: string;
  params: JsonObject;
  inputSchema: JsonObject | null;
}

export interface SenderOptions {
  endpoint: HttpEndpoint;
  maxResponseBytes: number;
  log: EventLog;
  timers: MonotonicTimers;
  onToolListChange: () => void;
}

/** Sends MCP messages to one endpoint, and deals with what a server says beside its response. */
export class HttpSender {
  readonly #options: SenderOptions;
  #asides = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Sends a request and waits for its answer. */
  request(sent: HttpRequestMessage, terms: Terms, scope: Scope): Promise<PostAnswer> {
    const params = terms.dialect.params(sent.params);
    const fields = terms.dialect.headers(sent.method, params, sent.inputSchema);
    return this.#post(request(sent.id, sent.method, params), sent.id, fields, terms, scope);
  }

  /** Sends a notification, or an answer to the server, and waits until it is accepted. */
  notify(message: JsonObject, terms: Terms, scope: Scope): Promise<PostAnswer> {
    return this.#post(message, null, terms.dialect.headers('', {}, null), terms, scope);
  }

  /** Tells the server that a session is over; resolves also when it does not care. */
  endSession(terms: Terms): Promise<void> {
    const { endpoint, timers } = this.#options;
    const fields = [...terms.dialect.headers('', {}, null), ...sessionField(terms.session)];
    return new Promise((resolve) => {
      const stop = timers.after(ASIDE_MS, resolve);
      const done = () => {
        stop();
        resolve();
      };
      endpoint.send('DELETE', fields, null, { head: done, data: () => {}, end: done, fail: done });
    });
  }

  #post(
    message: JsonObject,
    id: string | null,
    fields: [string, string][],
    terms: Terms,
    scope: Scope,
  ): Promise<PostAnswer> {
    return post(message, id, [...fields, ...sessionField(terms.session)], scope, {
      ...this.#options,
      onMessage: (received) => this.#onMessage(received, terms),
      onGivenUp: () => {
        if (id !== null && terms.dialect.httpCancel === 'notify') this.#aside(cancelled(id), terms);
      },
    });
  }

  #onMessage(message: ServerMessage, terms: Terms): void {
    const { log, onToolListChange } = this.#options;
    if (isToolListChange(message)) onToolListChange();
    else if (message.kind === 'request') {
      // MCP26-25: never relayed to the agent.
      log.count('server_request', 'the server sent a request');
      if (terms.dialect.serverRequests) this.#aside(answerServerRequest(message.id, message.method), terms);
    } else log.count('notification', 'a notification was ignored');
  }

  /** A message that nobody waits for. Bounded, so that a server cannot make the gateway send without end. */
  #aside(message: JsonObject, terms: Terms): void {
    if (this.#asides >= MAX_ASIDES) return;
    this.#asides += 1;
    const scope = new Scope(new AbortController().signal, ASIDE_MS, this.#options.timers);
    this.notify(message, terms, scope)
      .catch((error: unknown) => {
        if (!(error instanceof GatewayError)) throw error;
        this.#options.log.count('aside_failed', error.detail);
      })
      .finally(() => {
        scope.dispose();
        this.#asides -= 1;
      });
  }
}

export const sessionField = (session: string | null): [string, string][] =>
  session === null ? [] : [['mcp-session-id', session]];
