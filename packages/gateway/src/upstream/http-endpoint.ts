import { lookup as resolveName } from 'node:dns';
import { isIP, type LookupFunction, type Socket, connect as tcpConnect } from 'node:net';
import { TLSSocket, connect as tlsConnect } from 'node:tls';
import { type buildConnector, type Dispatcher, Pool } from 'undici';
import { type Destination, destinationOf } from '../egress.ts';
import { GatewayError } from '../errors.ts';

const CONNECTIONS = 64;
const CONNECT_MS = 10_000;
/** Fields that the gateway sets itself; a configured one would contradict the body or the framing. */
const RESERVED =
  /^(?:mcp-.*|host|accept|accept-encoding|content-.*|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|last-event-id)$/i;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Who may be at the other end. */
export interface Peer {
  /**
   * PEM certificates that the peer's must lead to; null: those of Node; `none`: its certificate is only an envelope for its
   * key, and `refuse` alone judges that.
   */
  authorities: string[] | null | 'none';
  /** Looks at where a connection is wanted, before anything is looked up: why it is not to be opened, or null. Absent: anywhere will do. */
  refuseDestination?(destination: Destination): Error | null;
  /** What the gateway shows of itself when it is asked; PEM. */
  client?: { certificate: string; key: string } | null;
  /** False: something else than its name says who the peer is, and `refuse` looks at that. */
  named?: boolean;
  /** Told that a connection is not used because of who is at its other end. */
  refused?(reason: Error): void;
  /** Looks at an address before it is connected to: why it is not to be used, or null. Absent: any address will do. */
  refuseAddress?(address: string): Error | null;
  /** Looks at a connection over which nothing was sent yet: why it is not to be used, or null. */
  refuse(socket: Socket | TLSSocket): Error | null;
}

export interface HttpHandlers {
  head(status: number, headers: Record<string, string | string[] | undefined>): void;
  data(chunk: Buffer): void;
  end(): void;
  /** `sent` is false only when not one byte of the request was written. */
  fail(error: Error, sent: boolean): void;
}

/** One HTTP request under way. */
export interface HttpRequest {
  readonly sent: boolean;
  /** Closes the request's connection; `fail` is not called any more. */
  abort(): void;
  /** Lets the answer wait in the connection until `resume`. */
  pause(): void;
  resume(): void;
}

export interface EndpointOptions {
  /** Connections at once; further requests wait for one. */
  connections?: number;
  /** Finds the addresses of a name. */
  lookup?: LookupFunction;
}

/** Connections to one URL. Never follows a redirect, and adds no credential but the configured header fields. */
export class HttpEndpoint {
  readonly #connector: Connector;
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: () => Record<string, string>;

  /**
   * @param headers fields of every request, as they are when it is sent
   * @throws GatewayError UPSTREAM_UNAVAILABLE when the URL is not acceptable
   */
  constructor(address: string, headers: () => Record<string, string>, peer: Peer, options: EndpointOptions = {}) {
    const url = readUrl(address);
    this.#path = `${url.pathname}${url.search}`;
    this.#headers = headers;
    this.#connector = new Connector(peer, options.lookup ?? resolveName);
    this.#pool = new Pool(url.origin, {
      connect: (options, callback) => this.#connector.connect(options, callback),
      allowH2: false,
      connections: options.connections ?? CONNECTIONS,
      pipelining: 1,
      // The scope of each call is the time limit; an idle stream is not a failure.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  send(
    method: 'GET' | 'POST' | 'DELETE',
    fields: [string, string][],
    body: string | null,
    handlers: HttpHandlers,
  ): HttpRequest {
    let controller: Dispatcher.DispatchController | null = null;
    let aborted = false;
    const headers: Record<string, string> = { ...this.#headers(), 'accept-encoding': 'identity' };
    for (const [name, value] of fields) headers[name.toLowerCase()] = value;
    this.#pool.dispatch(
      { method, path: this.#path, headers, body },
      {
        onRequestStart(started) {
          controller = started;
          if (aborted) started.abort(new Error('aborted before it was sent'));
        },
        onResponseStart(_, status, answerHeaders) {
          // An interim answer (1xx) is not the answer.
          if (!aborted && status >= 200) handlers.head(status, answerHeaders);
        },
        onResponseData(_, chunk) {
          if (!aborted) handlers.data(chunk);
        },
        onResponseEnd() {
          if (!aborted) handlers.end();
        },
        onResponseError(_, error) {
          if (!aborted) handlers.fail(error, controller !== null);
        },
      },
    );
    return {
      get sent() {
        return controller !== null;
      },
      abort() {
        aborted = true;
        controller?.abort(new Error('aborted'));
      },
      pause: () => controller?.pause(),
      resume: () => controller?.resume(),
    };
  }

  /** Closes every connection; requests under way fail. */
  close(): Promise<void> {
    const closed = this.#pool.destroy();
    this.#connector.abort();
    return closed;
  }
}

/**
 * The configured header fields, lower-case.
 * @throws GatewayError CONFIG_INVALID for a field that is not valid or that the gateway sets itself
 */
export function checkConfiguredHeaders(configured: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(configured)) {
    if (!FIELD_NAME.test(name) || !FIELD_VALUE.test(value))
      throw new GatewayError('CONFIG_INVALID', `header ${name} is not valid HTTP`);
    if (RESERVED.test(name)) throw new GatewayError('CONFIG_INVALID', `header ${name} is set by the gateway itself`);
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

function readUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') throw refuse('the URL is not acceptable');
  if (url.protocol === 'https:') return url;
  if (url.protocol !== 'http:') throw refuse('the URL is neither https nor http');
  // Names are settled by what they connect to; an address can be refused at once.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host !== 'localhost' && !(isIP(host) !== 0 && isLoopback(host))) throw refuse('plain http is for loopback only');
  return url;
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(address);
}

/** Opens connections, looks at the peer before the first application byte, and can give up those not yet open. */
class Connector {
  readonly #peer: Peer;
  readonly #lookup: LookupFunction;
  readonly #opening = new Set<Socket>();

  constructor(peer: Peer, lookup: LookupFunction) {
    this.#peer = peer;
    this.#lookup = this.#guarded(lookup);
  }

  connect(options: buildConnector.Options, callback: buildConnector.Callback): void {
    const { hostname, port, protocol } = options;
    const unwanted = this.#peer.refuseDestination?.(destinationOf({ hostname, port, protocol })) ?? null;
    const refused = unwanted ?? (isIP(hostname) === 0 ? null : this.#refuseAddress(hostname));
    if (refused !== null) {
      callback(refused, null);
      return;
    }
    const secure = protocol === 'https:';
    const socket = secure ? this.#openTls(options) : this.#openTcp(options);
    this.#opening.add(socket);
    const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), CONNECT_MS);
    let failure: Error | null = null;
    const settle = (open: boolean) => {
      clearTimeout(timer);
      if (!this.#opening.delete(socket)) return;
      const refusal = open ? this.#refuse(socket) : (failure ?? new Error('the connection was closed'));
      if (refusal !== null && (open || isUntrusted(socket))) this.#peer.refused?.(refusal);
      if (refusal === null) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(refusal, null);
      }
    };
    socket.on('error', (error) => {
      failure = error;
    });
    socket.once(secure ? 'secureConnect' : 'connect', () => settle(true));
    socket.once('close', () => settle(false));
  }

  abort(): void {
    for (const socket of this.#opening) socket.destroy();
  }

  #refuse(socket: Socket | TLSSocket): Error | null {
    return refusePlain(socket) ?? this.#peer.refuse(socket);
  }

  #refuseAddress(address: string): Error | null {
    return this.#peer.refuseAddress?.(address) ?? null;
  }

  /** A name that leads to a refused address is not connected to at all, whatever else it leads to. */
  #guarded(lookup: LookupFunction): LookupFunction {
    return (hostname, options, callback) =>
      lookup(hostname, options, (error, found, family) => {
        const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address);
        const refused = addresses.map((address) => this.#refuseAddress(address)).find((reason) => reason !== null);
        callback(error ?? refused ?? null, found, family);
      });
  }

  #openTcp({ hostname, port }: buildConnector.Options): Socket {
    return tcpConnect({ host: hostname, port: Number(port || 80), lookup: this.#lookup })
      .setNoDelay(true)
      .setKeepAlive(true);
  }

  #openTls({ hostname, port }: buildConnector.Options): TLSSocket {
    const { authorities, client = null, named = true } = this.#peer;
    return tlsConnect({
      host: hostname,
      port: Number(port || 443),
      lookup: this.#lookup,
      ALPNProtocols: ['http/1.1'],
      // Only TLS 1.3 has no renegotiation, in which a peer whose key alone was judged could present another one.
      minVersion: authorities === 'none' ? 'TLSv1.3' : 'TLSv1.2',
      // Explicit, so that no environment variable turns validation off.
      rejectUnauthorized: authorities !== 'none',
      ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
      ...(Array.isArray(authorities) ? { ca: authorities } : {}),
      ...(client === null ? {} : { cert: client.certificate, key: client.key }),
      ...(named ? {} : { checkServerIdentity: () => undefined }),
    })
      .setNoDelay(true)
      .setKeepAlive(true);
  }
}

/** The peer showed a certificate, and it was not accepted. */
function isUntrusted(socket: Socket | TLSSocket): boolean {
  // Null while nothing was verified; the declared type does not say so.
  return socket instanceof TLSSocket && Boolean(socket.authorizationError);
}

/** Why a connection without TLS is not to be used, or null. A name is judged by the address that it led to. */
export function refusePlain(socket: Socket | TLSSocket): Error | null {
  if (socket instanceof TLSSocket || isLoopback(socket.remoteAddress ?? '')) return null;
  return new Error('plain http is for loopback only');
}

function refuse(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail);
}
