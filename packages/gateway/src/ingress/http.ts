import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AttestLive } from '../attestation/live.ts';
import type { Caller } from '../caller.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { accepts, type HeaderValues, type HttpAnswer, type HttpExchange, type StreamSink } from '../mcp/exchange.ts';
import { McpEndpoint } from '../mcp/http.ts';
import { encodeReply, Replies, type Reply, registryStyle } from '../mcp/reply.ts';
import type { GovernedGateway } from '../mcp/types.ts';
import { systemTimers, type Timers } from '../timers.ts';
import { AttemptLimit, RETRY_AFTER_SECONDS } from './attempts.ts';
import { ATTESTATION_PATH, type AttestationAnswer, AttestationEndpoint } from './attestation-endpoint.ts';
import type { Authenticator } from './authenticate.ts';
import { BodyAborted, readBody } from './body.ts';
import { hostGuard, originGuard, requireJsonBody } from './guards.ts';
import { type BodyLimits, type BodyParser, createBodyParser } from './parse.ts';
import type { ListenerTls } from './tls.ts';

export interface HttpIngressDeps extends Pick<Config, 'listen' | 'allowedHosts' | 'allowedOrigins'> {
  limits: BodyLimits;
  sessions: Pick<Config['sessions'], 'idleMs' | 'maxOpen'>;
  agents: Authenticator;
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
}

export interface HttpIngress {
  readonly server: Server | TlsServer;
  /** Where it listens, the port filled in. Rejects with LISTEN_FAILED. */
  listen(): Promise<{ host: string; port: number }>;
  /** Accepts nothing more, lets calls in flight end for a while, aborts the rest, ends every transport session. Idempotent. */
  close(): Promise<void>;
}

/** The listener for agents: `/mcp` with a credential, `/healthz` and the answer to a challenge without. */
export function createHttpIngress(deps: HttpIngressDeps): HttpIngress {
  return new Ingress(deps);
}

/** Milliseconds. A call may take long, the sending of a request may not. */
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 30_000;
const IDLE_CONNECTION = 65_000;
const DRAIN = 10_000;
const ABORT_GRACE = 5_000;
const LINGER = 1_000;
const LINGER_BYTES = 1_048_576;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 4_096;
/** Failed attempts that one address may make in a minute before it is told to wait. */
const MAX_FAILURES = 20;

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
};

const REFUSAL_HEADERS: Partial<Record<ErrorCode, Record<string, string>>> = {
  UNAUTHENTICATED: { 'WWW-Authenticate': 'Bearer realm="cmcp"' },
  RATE_LIMITED: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
  METHOD_NOT_ALLOWED: { Allow: 'GET, POST, DELETE' },
};

type Answer = HttpAnswer | AttestationAnswer;

class Ingress implements HttpIngress {
  readonly server: Server | TlsServer;
  readonly #deps: HttpIngressDeps;
  readonly #timers: Timers;
  readonly #mcp: McpEndpoint;
  readonly #parser: BodyParser;
  readonly #replies: Replies;
  readonly #attestation: AttestationEndpoint;
  /**
   * Only failures are limited: a valid credential always passes, because addresses are shared (loopback, proxies), and nobody's
   * failures may lock somebody else out.
   */
  readonly #failures: AttemptLimit;
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
    this.#attestation = new AttestationEndpoint(deps.attest, clock);
    this.#failures = new AttemptLimit(MAX_FAILURES, clock);
    this.#guardHost = hostGuard(deps.allowedHosts, deps.listen);
    this.#guardOrigin = originGuard(deps.allowedOrigins);
    this.server = serverFor(deps.tls, (request, response) => this.#accept(request, response));
    this.server.maxConnections = MAX_CONNECTIONS;
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
    response.once('close', () => {
      if (!response.writableFinished) abort.abort();
    });
    const served = this.#serve(request, response, abort.signal).catch((error: unknown) => {
      this.#deps.onFault(error);
      response.destroy();
    });
    this.#active.set(served, abort);
    void served.finally(() => this.#active.delete(served));
  }

  async #serve(request: IncomingMessage, response: ServerResponse, closed: AbortSignal): Promise<void> {
    try {
      const answer = await this.#answer(request, closed);
      if ('stream' in answer) openStream(response, answer.stream);
      else if ('text' in answer) this.#write(request, response, 200, { 'Content-Type': answer.mediaType }, answer.text);
      else this.#reply(request, response, answer);
    } catch (error) {
      if (error instanceof BodyAborted) response.destroy();
      else this.#reply(request, response, this.#refusal(error));
    }
  }

  /** Cheapest and most telling first; nothing of the body is read before the caller is known. */
  async #answer(request: IncomingMessage, closed: AbortSignal): Promise<Answer> {
    this.#guardHost(request);
    this.#guardOrigin(request);
    const [path, query] = splitTarget(request.url ?? '');
    if (path === '/healthz' && request.method === 'GET') return { mediaType: 'text/plain', text: 'ok' };
    if (path === ATTESTATION_PATH && request.method === 'GET') return this.#challenge(request, query);
    if (path !== '/mcp') throw new GatewayError('ROUTE_NOT_FOUND', 'the path is not served');
    const caller = this.#authenticate(request);
    // AUTHZ-04: a query carries nothing here, least of all a token.
    if (query !== null) throw new GatewayError('INVALID_REQUEST', 'the endpoint takes no query string');
    if (this.#closing !== null) throw new GatewayError('SHUTTING_DOWN', 'the listener is closing');
    const exchange = { caller, headers: headersOf(request), closed };
    switch (request.method) {
      case 'POST':
        return await this.#post(request, exchange);
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

  #authenticate(request: IncomingMessage): Caller {
    const values = request.headersDistinct.authorization ?? [];
    const subject = values.length === 1 ? this.#deps.agents.authenticate(values[0]) : null;
    if (subject !== null) return { subject, source: 'bearer' };
    const tooMany = this.#failures.exceeded(addressOf(request));
    throw new GatewayError(tooMany ? 'RATE_LIMITED' : 'UNAUTHENTICATED', 'no valid credential');
  }

  async #post(request: IncomingMessage, exchange: HttpExchange): Promise<Reply> {
    requireJsonBody(request);
    if (!accepts(exchange.headers, 'application/json')) throw new GatewayError('NOT_ACCEPTABLE', 'answers are JSON');
    const bytes = await readBody(request, this.#deps.limits.bodyBytes);
    return await this.#mcp.post(await this.#parser.parse(bytes), exchange);
  }

  #refusal(error: unknown): Reply {
    const headers = error instanceof GatewayError ? REFUSAL_HEADERS[error.code] : undefined;
    return this.#replies.thrown(null, error, headers === undefined ? {} : { headers });
  }

  #reply(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Reply): void {
    const payload = body === null ? '' : encodeReply(body, this.#deps.onFault);
    const typed = body === null ? headers : { ...headers, 'Content-Type': 'application/json' };
    this.#write(request, response, status, typed, payload);
  }

  #write(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    headers: Record<string, string>,
    payload: string,
  ): void {
    if (response.destroyed) return;
    const unread = !request.complete && hasBody(request);
    const length = status === 204 ? {} : { 'Content-Length': Buffer.byteLength(payload) };
    const outdated = this.#deps.tls?.isOutdated(request.socket) ?? false;
    const connection = unread || outdated || this.#closing !== null ? { Connection: 'close' } : {};
    response.writeHead(status, { ...HEADERS, ...headers, ...length, ...connection });
    if (unread) this.#linger(request, response, payload);
    else response.end(payload);
  }

  /** Closing on a client that still sends would reset the connection before it has read the refusal. */
  #linger(request: IncomingMessage, response: ServerResponse, payload: string): void {
    let discarded = 0;
    const end = (): void => {
      cancel();
      response.end();
    };
    const cancel = this.#timers.after(LINGER, end);
    request.on('data', (chunk: Buffer) => {
      discarded += chunk.length;
      if (discarded > LINGER_BYTES) end();
    });
    request.once('end', end).once('close', end);
    response.write(payload);
    request.resume();
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

const SERVER_OPTIONS: ServerOptions = {
  headersTimeout: HEADERS_TIMEOUT,
  requestTimeout: REQUEST_TIMEOUT,
  keepAliveTimeout: IDLE_CONNECTION,
  maxHeaderSize: MAX_HEADER_BYTES,
  // LIFE-01: the kernel finds out that a peer is gone.
  keepAlive: true,
};

function serverFor(
  tls: ListenerTls | null,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Server | TlsServer {
  if (tls === null) return createServer(SERVER_OPTIONS, handle);
  const server = createTlsServer({ ...SERVER_OPTIONS, ...tls.options }, handle);
  tls.present(server);
  return server;
}

function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? '';
}

function headersOf({ headersDistinct }: IncomingMessage): HeaderValues {
  return (name) => headersDistinct[name] ?? [];
}

/** Path and query of an origin-form target; any other form has no path that is served. */
function splitTarget(target: string): [path: string, query: string | null] {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, null] : [target.slice(0, mark), target.slice(mark + 1)];
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function openStream(response: ServerResponse, attach: (sink: StreamSink) => void): void {
  if (response.destroyed) return;
  // MCP26-27: nothing in between may hold events back.
  const headers = { ...HEADERS, 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' };
  response.writeHead(200, headers);
  attach({
    write(text) {
      if (response.writableEnded) return;
      // Heartbeats fill a buffer only when nobody reads them.
      if (response.writableNeedDrain) response.destroy();
      else response.write(text);
    },
    end: () => response.end(),
    onClose: (listener) => response.once('close', listener),
  });
}
