import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type ClientDialect, cancelled, type RequestTerms, request } from '../mcp/client.ts';
import type { EventLog } from './event-log.ts';
import type { Hearing } from './hearing.ts';
import type { HttpEndpoint } from './http-endpoint.ts';
import { type PostAnswer, post } from './http-post.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { Answering, RequestSide } from './request-side.ts';
import { Scope } from './scope.ts';

/** For messages that nobody waits for: cancellations, answers to the server, the end of a session. */
const ASIDE_MS = 2000;
const MAX_ASIDES = 8;
/** Of a message, around what an answer holds. */
const ENVELOPE_BYTES = 1024;
const NO_REQUEST = { side: null, maxBytes: null };

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
  maxBytes: number | null;
  terms: RequestTerms;
  side: RequestSide | null;
}

export interface SenderOptions {
  endpoint: HttpEndpoint;
  maxResponseBytes: number;
  log: EventLog;
  timers: MonotonicTimers;
  hearing: Hearing;
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
    const { dialect } = terms;
    const params = dialect.params(sent.params, sent.terms);
    const fields = dialect.headers(sent.method, params, sent.inputSchema);
    return this.#post(request(sent.id, sent.method, params), sent.id, fields, terms, scope, sent);
  }

  /** Sends a notification, or an answer to the server, and waits until it is accepted. */
  notify(message: JsonObject, terms: Terms, scope: Scope): Promise<PostAnswer> {
    return this.#post(message, null, terms.dialect.headers('', {}, null), terms, scope, NO_REQUEST);
  }

  /** How the server's requests are answered; null where it must not send any. */
  answering(terms: Terms): Answering | null {
    if (!terms.dialect.serverRequests) return null;
    return {
      short: (message) => this.#aside(message, terms),
      // Their number is bounded by the asks that a request may have open.
      full: (message) => this.#send(message, terms),
    };
  }

  /** Tells the server that a session is over; resolves also when it does not care. */
  endSession(terms: Terms): Promise<void> {
    const { endpoint, timers } = this.#options;
    return new Promise((resolve) => {
      const stop = timers.after(ASIDE_MS, resolve);
      const done = () => {
        stop();
        resolve();
      };
      endpoint.send('DELETE', sessionFields(terms), null, { head: done, data: () => {}, end: done, fail: done });
    });
  }

  #post(
    message: JsonObject,
    id: string | null,
    fields: [string, string][],
    terms: Terms,
    scope: Scope,
    { side, maxBytes }: Pick<HttpRequestMessage, 'side' | 'maxBytes'>,
  ): Promise<PostAnswer> {
    const { maxResponseBytes } = this.#options;
    return post(message, id, [...fields, ...sessionField(terms.session)], scope, {
      ...this.#options,
      maxResponseBytes: maxBytes === null ? maxResponseBytes : Math.min(maxResponseBytes, maxBytes + ENVELOPE_BYTES),
      onMessage: (received) => this.#options.hearing.heard(received, side, this.answering(terms)),
      batches: terms.dialect.batches,
      onGivenUp: () => {
        if (id !== null && terms.dialect.httpCancel === 'notify') this.#aside(cancelled(id), terms);
      },
      resume: terms.dialect.resumable && id !== null ? () => sessionFields(terms) : null,
    });
  }

  /** A message that nobody waits for. Bounded, so that a server cannot make the gateway send without end. */
  #aside(message: JsonObject, terms: Terms): void {
    if (this.#asides >= MAX_ASIDES) return;
    this.#asides += 1;
    void this.#send(message, terms).finally(() => {
      this.#asides -= 1;
    });
  }

  async #send(message: JsonObject, terms: Terms): Promise<void> {
    const scope = new Scope(new AbortController().signal, ASIDE_MS, this.#options.timers);
    try {
      await this.notify(message, terms, scope);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#options.log.count('aside_failed', error.detail);
    } finally {
      scope.dispose();
    }
  }
}

/** The header fields of a request that carries no message. */
export const sessionFields = ({ dialect, session }: Terms): [string, string][] => [
  ...dialect.headers('', {}, null),
  ...sessionField(session),
];

export const sessionField = (session: string | null): [string, string][] =>
  session === null ? [] : [['mcp-session-id', session]];
