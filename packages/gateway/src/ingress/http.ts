import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { stringifyJson } from '@cmcp/evidence';
import type { AttestLive } from '../attestation/live.ts';
import type { Caller } from '../caller.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { IdentityChain } from '../identity/chain.ts';
import type { ResourceMetadata } from '../identity/oauth/metadata.ts';
import type { IdentitySource } from '../identity/types.ts';
import { accepts, type HttpAnswer, type HttpExchange } from '../mcp/exchange.ts';
import { McpEndpoint } from '../mcp/http.ts';
import { PerSubject } from '../mcp/per-subject.ts';
import { Replies, type Reply, registryStyle } from '../mcp/reply.ts';
import type { GovernedGateway } from '../mcp/types.ts';
import { type Lap, laps } from '../telemetry/stages.ts';
import { systemTimers, type Timers } from '../timers.ts';
import { AttemptLimit, RETRY_AFTER_SECONDS } from './attempts.ts';
import { ATTESTATION_PATH, type AttestationAnswer, AttestationEndpoint } from './attestation-endpoint.ts';
import { BodyAborted, readBody } from './body.ts';
import { Connection } from './connection.ts';
import { hostGuard, originGuard, requireJsonBody } from './guards.ts';
import { type BodyLimits, type BodyParser, createBodyParser } from './parse.ts';
import { PeerCertificates } from './peer-certificates.ts';
import { headersOf, presentedBy } from './presented.ts';
import { refusalIn } from './refusal.ts';
import type { ListenerTls } from './tls.ts';
import { AnswerWriter } from './write-answer.ts';

export interface HttpIngressDeps extends Pick<Config, 'listen' | 'allowedHosts' | 'allowedOrigins'> {
  limits: BodyLimits;
  sessions: Pick<Config['sessions'], 'idleMs' | 'maxOpen'>;
  /** Kinds of credentials, in the order in which they are asked. */
  agents: readonly IdentitySource[];
  /** What whoever has no token is told of how to get one; null or left out: nothing. */
  metadata?: ResourceMetadata | null;
  gateway: GovernedGateway;
  /** What the listener shows; null: plain HTTP. */
  tls: ListenerTls | null;
  /** Answers challenges of whoever may connect. */
  attest: AttestLive;
  /** Told of every error that no GatewayError explains. */
  onFault: (error: unknown) => void;
  clock?: Clock;
  timers?: Timers;
  /** For session ids. */
  randomBytes?: (length: number) => Uint8Array;
  patience?: Patience;
}

/** How long a client may take to send, in milliseconds. A call may take long, the sending of a request may not. */
export interface Patience {
  headers: number;
  request: number;
  /** How often it is looked for those who take longer. */
  look: number;
  /** Between an answer and the next request. */
  idle: number;
}

export interface HttpIngress {
  readonly server: Server | TlsServer;
  /** Where it listens, the port filled in. Rejects with LISTEN_FAILED. */
  listen(): Promise<{ host: string; port: number }>;
  /** Ends streams that wait for nothing: whoever still may opens them again. */
  endStreams(): void;
  /** Accepts nothing more, lets calls in flight end for a while, aborts the rest, ends every transport session. Idempotent. */
  close(): Promise<void>;
}

/** The listener for agents: `/mcp` with a credential, `/healthz` and the answer to a challenge without. */
export function createHttpIngress(deps: HttpIngressDeps): HttpIngress {
  return new Ingress(deps);
}

const PATIENCE: Patience = { headers: 10_000, request: 30_000, look: 5_000, idle: 65_000 };
/** Milliseconds. */
const FIRST_PROBE = 30_000;
const DRAIN = 10_000;
const ABORT_GRACE = 5_000;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 4_096;
/** Requests that one caller may have without an answer, streams among them. */
const MAX_ACTIVE = 1_024;
/** Failed attempts that one address may make in a minute before it is told to wait. */
const MAX_FAILURES = 20;

const REFUSAL_HEADERS: Partial<Record<ErrorCode, Record<string, string>>> = {
  RATE_LIMITED: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
  METHOD_NOT_ALLOWED: { Allow: 'GET, POST, DELETE' },
  BODY_TOO_LARGE: { Connection: 'close' },
};

type Answer = HttpAnswer | AttestationAnswer;

class Ingress implements HttpIngress {
  readonly server: Server | TlsServer;
  readonly #deps: HttpIngressDeps;
  readonly #timers: Timers;
  readonly #mcp: McpEndpoint;
  readonly #parser: BodyParser;
  readonly #replies: Replies;
  readonly #writer: AnswerWriter;
  readonly #attestation: AttestationEndpoint;
  /**
   * Only failures are limited: a valid credential always passes, because addresses are shared (loopback, proxies), and nobody's
   * failures may lock somebody else out.
   */
  readonly #failures: AttemptLimit;
  readonly #identities: IdentityChain;
  readonly #peers = new PeerCertificates();
  readonly #requests = new PerSubject(MAX_ACTIVE, 'requests in flight');
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #guardOrigin: (request: IncomingMessage) => void;
  #guardHost: (request: IncomingMessage) => void;
  /** Requests without a finished answer, and how to abort them. */
  readonly #active = new Map<Promise<void>, AbortController>();
  #closing: Promise<void> | null = null;

  constructor(deps: HttpIngressDeps) {
    const clock = deps.clock ?? systemClock;
    this.#deps = deps;
    this.#timers = deps.timers ?? systemTimers;
    this.#mcp = new McpEndpoint({
      ...deps,
      clock,
      timers: this.#timers,
      randomBytes: deps.randomBytes ?? randomBytes,
    });
    this.#parser = createBodyParser(deps.limits);
    this.#replies = new Replies(deps.gateway, registryStyle, deps.onFault);
    const isLast = (request: IncomingMessage): boolean => this.#isLast(request);
    const whenOver = (response: ServerResponse, run: () => void): void =>
      this.#connectionOf(response.req).whenOver(response, run);
    const onLast = (request: IncomingMessage): void => this.#connectionOf(request).end();
    this.#writer = new AnswerWriter({ timers: this.#timers, onFault: deps.onFault, isLast, whenOver, onLast });
    this.#attestation = new AttestationEndpoint(deps.attest, clock);
    this.#failures = new AttemptLimit(MAX_FAILURES, clock);
    this.#identities = new IdentityChain(deps.agents);
    this.#guardHost = hostGuard(deps.allowedHosts, deps.listen);
    this.#guardOrigin = originGuard(deps.allowedOrigins);
    this.server = serverFor(deps, (request, response) => this.#accept(request, response));
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on(deps.tls === null ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#connections.set(socket, new Connection(socket));
    });
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#deps.listen;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void =>
        reject(new GatewayError('LISTEN_FAILED', `${host}:${port}: ${error.message}`));
      this.server.once('error', failed);
      this.server.listen(port, host, () => {
        this.server.off('error', failed);
        this.server.on('error', this.#deps.onFault);
        resolve();
      });
    });
    const address = this.server.address();
    const bound = typeof address === 'object' && address !== null ? address.port : port;
    this.#guardHost = hostGuard(this.#deps.allowedHosts, { host, port: bound });
    return { host, port: bound };
  }

  endStreams(): void {
    this.#mcp.endStreams();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.#mcp.endStreams();
    await this.#within(DRAIN, Promise.allSettled(this.#active.keys()));
    for (const abort of this.#active.values()) abort.abort();
    await this.#mcp.close();
    await this.#within(ABORT_GRACE, Promise.allSettled(this.#active.keys()));
    this.server.closeAllConnections();
    await closed;
    await this.#parser.close();
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    const abort = new AbortController();
    const connection = this.#connectionOf(request);
    connection.whenOver(response, () => {
      if (!response.writableFinished) abort.abort();
    });
    const served = connection
      .inTurn(() => this.#serve(request, response, abort.signal))
      .catch((error: unknown) => {
        this.#deps.onFault(error);
        response.destroy();
      });
    this.#active.set(served, abort);
    void served.finally(() => this.#active.delete(served));
  }

  async #serve(request: IncomingMessage, response: ServerResponse, closed: AbortSignal): Promise<void> {
    try {
      const answer = await this.#answer(request, response, closed);
      const lap = laps();
      if ('stream' in answer) await this.#writer.stream(request, response, answer.stream);
      else if ('text' in answer) this.#writer.text(request, response, answer.mediaType, answer.text);
      else this.#writer.reply(request, response, this.#withChallenges(request, answer));
      lap('http-out');
    } catch (error) {
      if (error instanceof BodyAborted) response.destroy();
      else this.#writer.reply(request, response, this.#withChallenges(request, this.#refusal(error)));
    }
  }

  /** Cheapest and most telling first; nothing of the body is read before the caller is known. */
  async #answer(request: IncomingMessage, response: ServerResponse, closed: AbortSignal): Promise<Answer> {
    const lap = laps();
    this.#guardFraming(request);
    this.#guardHost(request);
    this.#guardOrigin(request);
    const [path, query] = splitTarget(request.url ?? '');
    if (path === '/healthz' && request.method === 'GET') return { mediaType: 'text/plain', text: 'ok' };
    if (path === ATTESTATION_PATH && request.method === 'GET') return this.#challenge(request, query);
    if (request.method === 'GET' && this.#deps.metadata?.paths.has(path)) return documentOf(this.#deps.metadata);
    if (path !== '/mcp') throw new GatewayError('ROUTE_NOT_FOUND', 'the path is not served');
    const caller = await this.#authenticate(request);
    // AUTHZ-04: a query carries nothing here, least of all a token.
    if (query !== null) throw new GatewayError('INVALID_REQUEST', 'the endpoint takes no query string');
    if (this.#closing !== null) throw new GatewayError('SHUTTING_DOWN', 'the listener is closing');
    this.#connectionOf(request).whenOver(response, this.#requests.enter(caller.subject));
    const exchange = { caller, headers: headersOf(request), closed };
    switch (request.method) {
      case 'POST':
        return await this.#post(request, exchange, lap);
      case 'GET':
        return await this.#mcp.get(exchange);
      case 'DELETE':
        return await this.#mcp.delete(exchange);
      default:
        throw new GatewayError('METHOD_NOT_ALLOWED', 'the endpoint has no such method');
    }
  }

  #challenge(request: IncomingMessage, query: string | null): Promise<AttestationAnswer> {
    if (this.#closing !== null) throw new GatewayError('SHUTTING_DOWN', 'the listener is closing');
    return this.#attestation.answer({ address: addressOf(request), query, headers: headersOf(request) });
  }

  async #authenticate(request: IncomingMessage): Promise<Caller> {
    try {
      return await this.#identities.identify(presentedBy(request, this.#peers));
    } catch (error) {
      const failed = error instanceof GatewayError && error.code === 'UNAUTHENTICATED';
      if (failed && this.#failures.exceeded(addressOf(request))) throw new GatewayError('RATE_LIMITED', error.detail);
      throw error;
    }
  }

  async #post(request: IncomingMessage, exchange: HttpExchange, lap: Lap): Promise<HttpAnswer> {
    requireJsonBody(request);
    if (!accepts(exchange.headers, 'application/json')) throw new GatewayError('NOT_ACCEPTABLE', 'answers are JSON');
    const bytes = await readBody(request, this.#deps.limits.bodyBytes);
    // What was sent in several ways was seen by now.
    this.#guardFraming(request);
    const body = await this.#parser.parse(bytes);
    lap('http-in');
    return await this.#mcp.post(body, exchange);
  }

  /** ATK-17: a message whose end is not beyond doubt is refused, and so is what came with it, before or behind. */
  #guardFraming(request: IncomingMessage): void {
    if (!this.#isAmbiguous(request)) return;
    this.#connectionOf(request).framing.ambiguous = true;
    throw new GatewayError('INVALID_REQUEST', 'the framing of the body is ambiguous');
  }

  #isAmbiguous(request: IncomingMessage): boolean {
    const codings = request.headersDistinct['transfer-encoding'] ?? [];
    const plain = codings.length === 0 || (codings.length === 1 && codings[0]?.toLowerCase() === 'chunked');
    return !plain || this.#connectionOf(request).framing.ambiguous;
  }

  #connectionOf({ socket }: IncomingMessage): Connection {
    const connection = this.#connections.get(socket);
    if (connection === undefined) throw new GatewayError('INTERNAL_ERROR', 'a request on no connection of ours');
    return connection;
  }

  #isLast(request: IncomingMessage): boolean {
    const outdated = this.#deps.tls?.isOutdated(request.socket) ?? false;
    return outdated || this.#closing !== null || this.#isAmbiguous(request);
  }

  #refusal(error: unknown): Reply {
    const headers = error instanceof GatewayError ? REFUSAL_HEADERS[error.code] : undefined;
    return this.#replies.thrown(null, error, headers === undefined ? {} : { headers });
  }

  /** AUTHZ-02: whoever is refused for what the credential is, or lacks, is told which one would do. */
  #withChallenges(request: IncomingMessage, reply: Reply): Reply {
    const refused = refusalIn(reply);
    if (refused === null) return reply;
    const about = { shown: request.headers.authorization !== undefined, scopes: refused.scopes };
    const challenges = this.#identities.challenges(refused.code, about);
    if (challenges.length === 0) return reply;
    return { ...reply, headers: { ...reply.headers, 'WWW-Authenticate': challenges.join(', ') } };
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#timers.after(ms, resolve);
    });
    await Promise.race([work, late]);
    cancel();
  }
}

function serverFor(
  { tls, patience = PATIENCE }: HttpIngressDeps,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Server | TlsServer {
  const options: ServerOptions = {
    headersTimeout: patience.headers,
    requestTimeout: patience.request,
    connectionsCheckingInterval: patience.look,
    keepAliveTimeout: patience.idle,
    maxHeaderSize: MAX_HEADER_BYTES,
    // LIFE-01: the kernel finds out that a peer is gone.
    keepAlive: true,
    keepAliveInitialDelay: FIRST_PROBE,
    // ATK-17: whatever the process was started with, nothing is read leniently.
    insecureHTTPParser: false,
    requireHostHeader: true,
  };
  if (tls === null) return createServer(options, handle);
  const server = createTlsServer({ ...options, ...tls.options }, handle);
  tls.present(server);
  return server;
}

function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? '';
}

function documentOf({ document }: ResourceMetadata): AttestationAnswer {
  return { mediaType: 'application/json', text: stringifyJson(document) };
}

/** Path and query of an origin-form target; any other form has no path that is served. */
function splitTarget(target: string): [path: string, query: string | null] {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, null] : [target.slice(0, mark), target.slice(mark + 1)];
}
