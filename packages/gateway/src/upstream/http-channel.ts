import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import {
  answerServerRequest,
  type ClientDialect,
  cancelled,
  isToolListChange,
  readResult,
  request,
  type ServerMessage,
} from '../mcp/client.ts';
import {
  HANDSHAKE_VERSIONS,
  INITIALIZE,
  initialized,
  initializeParams,
  openingDialect,
  readInitialize,
} from '../mcp/handshake/client.ts';
import { DISCOVER, modernDialect, readDiscovery, readDiscoveryError, refusesRevision } from '../mcp/modern/client.ts';
import { ChangeStream } from './change-stream.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import type { EventLog } from './event-log.ts';
import { checkConfiguredHeaders, HttpEndpoint, type HttpTarget } from './http-endpoint.ts';
import { type PostAnswer, post } from './http-post.ts';
import type { MonotonicTimers } from './monotonic.ts';
import { Scope } from './scope.ts';
import { UpstreamRpcError, type UpstreamSettings } from './types.ts';

/** For messages that nobody waits for: cancellations, answers to the server, the end of a session. */
const ASIDE_MS = 2000;
const MAX_ASIDES = 8;
const SESSION_ID = /^[\x21-\x7e]{1,1024}$/;
/** A proxy in between speaks: whether the server ran the call is not known. */
const GATEWAY_STATUS = new Set([502, 503, 504]);

export interface HttpChannelOptions {
  target: HttpTarget;
  settings: UpstreamSettings;
  ca: string[] | null;
  log: EventLog;
  timers: MonotonicTimers;
  onChanged: () => void;
}

/** What was agreed with the server; for handshake revisions, one session. */
interface Agreement {
  dialect: ClientDialect;
  session: string | null;
  changes: ChangeStream | null;
}

/** A Streamable HTTP server of either revision family. */
export class HttpChannel implements Channel {
  readonly #options: HttpChannelOptions;
  readonly #headers: Record<string, string>;
  #endpoint: HttpEndpoint | null = null;
  #agreement: Agreement | null = null;
  #opening: Promise<Agreement> | null = null;
  #closing: Promise<void> | null = null;
  #ids = 0;
  #asides = 0;
  #agreedBefore = false;

  constructor(options: HttpChannelOptions) {
    this.#options = options;
    this.#headers = checkConfiguredHeaders(options.settings.headers);
  }

  async exchange(sent: ChannelRequest, scope: Scope): Promise<JsonObject> {
    sent.admit(0);
    let agreement = await this.#agreed(scope);
    let answer = await this.#post(sent, agreement, scope);
    if (isSessionEnd(answer, agreement)) {
      // LIFE-04: 404 says that the session, and with it this request, was not known; once more in a new session.
      this.#forget(agreement);
      agreement = await this.#agreed(scope);
      answer = await this.#post(sent, agreement, scope);
    }
    if (isSessionEnd(answer, agreement)) {
      this.#forget(agreement);
      throw unavailable('the server ended two sessions in a row');
    }
    try {
      return judge(answer);
    } catch (error) {
      if (error instanceof GatewayError && refusesRevision(error.cause)) this.#forget(agreement);
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const agreement = this.#agreement;
    agreement?.changes?.close();
    if (agreement !== null && agreement.session !== null) await this.#endSession(agreement);
    await this.#endpoint?.close();
    await Promise.allSettled([this.#opening]);
  }

  #agreed(scope: Scope): Promise<Agreement> {
    if (this.#closing !== null) throw unavailable('the connection to the server is closed');
    if (this.#agreement !== null) return Promise.resolve(this.#agreement);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return scope.race(this.#opening);
  }

  async #open(): Promise<Agreement> {
    const { target, ca, settings, timers, log, onChanged } = this.#options;
    const scope = new Scope(new AbortController().signal, settings.timeoutMs, timers);
    try {
      this.#endpoint ??= new HttpEndpoint(target, this.#headers, ca);
      const dialect = await this.#discover(scope);
      const agreement = dialect === null ? await this.#initialize(scope) : { dialect, session: null, changes: null };
      if (this.#closing !== null) throw unavailable('the connection to the server is closed');
      agreement.changes = this.#watch(agreement);
      this.#agreement = agreement;
      log.write('connected', agreement.session === null ? 'stateless' : 'new session');
      // A new session may be with another server than the one whose definitions were compared.
      if (this.#agreedBefore) onChanged();
      this.#agreedBefore = true;
      return agreement;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      log.write('connect_failed', error.detail);
      throw unavailable(error.detail, error);
    } finally {
      scope.dispose();
    }
  }

  /** MCP26-41: modern first; null means that the handshake should be tried. */
  async #discover(scope: Scope): Promise<ClientDialect | null> {
    const answer = await this.#askDiscovery(scope);
    if (answer === null) return null;
    if (answer.response === null) {
      // Not a question of revision: no other one gets past these either.
      const { status } = answer;
      if (status === 401 || status === 403 || status >= 500 || isRedirect(status)) judge(answer);
      return null;
    }
    try {
      return readDiscovery(readResult(answer.response));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return error.cause instanceof UpstreamRpcError ? readDiscoveryError(error.cause, HANDSHAKE_VERSIONS) : null;
    }
  }

  /** Null when the answer makes no sense to this family, which an older server's need not. */
  async #askDiscovery(scope: Scope): Promise<PostAnswer | null> {
    const message = { id: this.#nextId(), method: DISCOVER, params: {}, inputSchema: null };
    try {
      return await this.#post(message, { dialect: modernDialect(), session: null }, scope);
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'UPSTREAM_PROTOCOL_ERROR') return null;
      throw error;
    }
  }

  async #initialize(scope: Scope): Promise<Agreement> {
    const opening = { dialect: openingDialect(), session: null };
    const message = { id: this.#nextId(), method: INITIALIZE, params: initializeParams(), inputSchema: null };
    const answer = await this.#post(message, opening, scope);
    const dialect = readInitialize(judge(answer));
    const agreement: Agreement = { dialect, session: readSessionId(answer), changes: null };
    const noted = await this.#send(initialized(), null, agreement, 'notifications/initialized', {}, null, scope);
    if (noted.status >= 300) throw bad(`the server refused the end of the handshake with HTTP ${noted.status}`);
    return agreement;
  }

  #post(
    sent: Omit<ChannelRequest, 'admit'>,
    agreement: Pick<Agreement, 'dialect' | 'session'>,
    scope: Scope,
  ): Promise<PostAnswer> {
    const params = agreement.dialect.params(sent.params);
    return this.#send(
      request(sent.id, sent.method, params),
      sent.id,
      agreement,
      sent.method,
      params,
      sent.inputSchema,
      scope,
    );
  }

  #send(
    message: JsonObject,
    id: string | null,
    agreement: Pick<Agreement, 'dialect' | 'session'>,
    method: string,
    params: JsonObject,
    inputSchema: JsonObject | null,
    scope: Scope,
  ): Promise<PostAnswer> {
    const { settings, log, timers } = this.#options;
    const fields = [...agreement.dialect.headers(method, params, inputSchema), ...sessionField(agreement.session)];
    return post(message, id, fields, scope, {
      endpoint: this.#connectedEndpoint(),
      maxResponseBytes: settings.maxResponseBytes,
      log,
      timers,
      onMessage: (received) => this.#onMessage(received, agreement),
      onGivenUp: () => {
        if (id !== null && agreement.dialect.httpCancel === 'notify') this.#aside(cancelled(id), agreement);
      },
    });
  }

  #connectedEndpoint(): HttpEndpoint {
    if (this.#endpoint === null) throw new GatewayError('INTERNAL_ERROR', 'a message before the endpoint');
    return this.#endpoint;
  }

  #onMessage(message: ServerMessage, agreement: Pick<Agreement, 'dialect' | 'session'>): void {
    const { log, onChanged } = this.#options;
    if (isToolListChange(message)) onChanged();
    else if (message.kind === 'request') {
      // MCP26-25: never relayed to the agent.
      log.count('server_request', 'the server sent a request');
      if (agreement.dialect.serverRequests) this.#aside(answerServerRequest(message.id, message.method), agreement);
    } else log.count('notification', 'a notification was ignored');
  }

  /** A message that nobody waits for. Bounded, so that a server cannot make the gateway send without end. */
  #aside(message: JsonObject, agreement: Pick<Agreement, 'dialect' | 'session'>): void {
    const { timers, log } = this.#options;
    if (this.#asides >= MAX_ASIDES || this.#closing !== null) return;
    this.#asides += 1;
    const scope = new Scope(new AbortController().signal, ASIDE_MS, timers);
    this.#send(message, null, agreement, '', {}, null, scope)
      .catch((error: unknown) => {
        if (!(error instanceof GatewayError)) throw error;
        log.count('aside_failed', error.detail);
      })
      .finally(() => {
        scope.dispose();
        this.#asides -= 1;
      });
  }

  #watch(agreement: Agreement): ChangeStream | null {
    const { dialect, session } = agreement;
    const { timers, onChanged } = this.#options;
    if (!dialect.announcesChanges) return null;
    const { listen } = dialect;
    const method = listen?.method ?? '';
    const params = dialect.params(listen?.params ?? {});
    return new ChangeStream({
      endpoint: this.#connectedEndpoint(),
      body: () => (listen === null ? null : request(this.#nextId(), method, params)),
      fields: [...dialect.headers(method, params, null), ...sessionField(session)],
      timers,
      onChanged,
    });
  }

  #forget(agreement: Agreement): void {
    agreement.changes?.close();
    if (this.#agreement === agreement) this.#agreement = null;
  }

  /** Tells the server that the session is over; it may not care. */
  #endSession(agreement: Agreement): Promise<void> {
    const fields = [...agreement.dialect.headers('', {}, null), ...sessionField(agreement.session)];
    return new Promise((resolve) => {
      const stop = this.#options.timers.after(ASIDE_MS, resolve);
      const done = () => {
        stop();
        resolve();
      };
      this.#connectedEndpoint().send('DELETE', fields, null, { head: done, data: () => {}, end: done, fail: done });
    });
  }

  #nextId(): string {
    this.#ids += 1;
    return `cmcp-${this.#ids}`;
  }
}

/** The result that an answer carries, or the error that it amounts to. */
function judge(answer: PostAnswer): JsonObject {
  if (answer.response !== null) return readResult(answer.response);
  if (GATEWAY_STATUS.has(answer.status))
    throw new GatewayError('OUTCOME_UNKNOWN', `HTTP ${answer.status} on the way to the server`);
  if (isRedirect(answer.status)) throw bad('the server answered with a redirect, which is not followed');
  throw bad(`the server answered with HTTP ${answer.status}`);
}

const isRedirect = (status: number): boolean => status >= 300 && status < 400;

const isSessionEnd = (answer: PostAnswer, agreement: Agreement): boolean =>
  answer.status === 404 && agreement.session !== null;

const sessionField = (session: string | null): [string, string][] =>
  session === null ? [] : [['mcp-session-id', session]];

function readSessionId(answer: PostAnswer): string | null {
  const session = answer.headers['mcp-session-id'] ?? null;
  if (session === null) return null;
  if (typeof session !== 'string' || !SESSION_ID.test(session)) throw bad('the session id is not visible ASCII');
  return session;
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail, { cause });
}
