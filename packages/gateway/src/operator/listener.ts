import { existsSync, lstatSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { OperatorListenConfig } from '../config/operator.ts';
import { GatewayError } from '../errors.ts';
import { AttemptLimit } from '../ingress/attempts.ts';
import { hostGuard, originGuard } from '../ingress/guards.ts';
import type { ListenerTls } from '../ingress/tls.ts';
import { type EndpointDeps, type Manner, OperatorEndpoint } from './endpoint.ts';

export interface OperatorListenerDeps extends EndpointDeps {
  /** Absolute path of the Unix socket. */
  socket: string;
  /** Where it is served over TLS as well; null: nowhere. */
  network: OperatorNetwork | null;
}

export interface OperatorNetwork extends Pick<OperatorListenConfig, 'listen' | 'allowedHosts'> {
  tls: ListenerTls;
}

const OPTIONS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  maxHeaderSize: 16_384,
  keepAlive: true,
  // ATK-17: whatever the process was started with, nothing is read leniently.
  insecureHTTPParser: false,
  requireHostHeader: true,
};
const MAX_CONNECTIONS = 256;
/** Failed attempts that one address may make in a minute before it is told to wait. */
const MAX_FAILURES = 20;

/** The operator interface: its own listeners, its own credentials, never reachable with an agent's (contracts section 9). */
export class OperatorListener {
  readonly #socket: string;
  readonly #network: OperatorNetwork | null;
  readonly #local: Server;
  readonly #remote: TlsServer | null;
  readonly #failures: AttemptLimit | null;
  readonly #report: (error: unknown) => void;
  #manner: Manner = {};

  constructor({ socket, network, ...deps }: OperatorListenerDeps) {
    this.#report = deps.report;
    const endpoint = new OperatorEndpoint(deps);
    this.#socket = socket;
    this.#network = network;
    this.#failures = network && new AttemptLimit(MAX_FAILURES, deps.clock);
    this.#local = createServer(OPTIONS, (request, response) => void endpoint.accept(request, response));
    this.#remote =
      network &&
      createTlsServer(
        { ...OPTIONS, ...network.tls.options },
        (request, response) => void endpoint.accept(request, response, this.#manner),
      );
    if (this.#remote !== null) network?.tls.present(this.#remote);
    for (const server of this.#servers) server.maxConnections = MAX_CONNECTIONS;
  }

  /**
   * Rejects with LISTEN_FAILED when another process serves the socket, or the file is none, or the address is not free. A stale socket is
   * replaced. Resolves with `host:port` of the network, null where there is none.
   */
  async listen(): Promise<string | null> {
    await this.#listenLocally(this.#socket);
    if (this.#remote === null || this.#network === null) return null;
    return this.#listenOn(this.#remote, this.#network);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#servers.map(async (server) => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeAllConnections();
        await closed;
      }),
    );
  }

  get #servers(): (Server | TlsServer)[] {
    return this.#remote === null ? [this.#local] : [this.#local, this.#remote];
  }

  async #listenLocally(socket: string): Promise<void> {
    await mkdir(dirname(socket), { recursive: true, mode: 0o700 });
    if (await answers(socket)) throw new GatewayError('LISTEN_FAILED', `another process serves ${socket}`);
    if (existsSync(socket) && !lstatSync(socket).isSocket()) {
      throw new GatewayError('LISTEN_FAILED', `${socket} is there and is no socket; it is left alone`);
    }
    await rm(socket, { force: true });
    await this.#listening(this.#local, socket, (ready) => this.#local.listen(socket, ready));
    await chmod(socket, 0o600);
  }

  async #listenOn(server: TlsServer, { listen: { host, port }, allowedHosts, tls }: OperatorNetwork): Promise<string> {
    await this.#listening(server, `${host}:${port}`, (ready) => server.listen(port, host, ready));
    const address = server.address();
    const bound = typeof address === 'object' && address !== null ? address.port : port;
    const guardHost = hostGuard(allowedHosts, { host, port: bound });
    // No page of a browser operates a gateway: every Origin is refused, and there is no CORS.
    const guardOrigin = originGuard([]);
    this.#manner = {
      guard: (request) => {
        guardHost(request);
        guardOrigin(request);
      },
      failed: ({ socket }) => {
        if (this.#failures?.exceeded(socket.remoteAddress ?? '') === true)
          throw new GatewayError('RATE_LIMITED', 'too many failed credentials of this address');
      },
      isOver: ({ socket }) => tls.isOutdated(socket),
    };
    return `${host.includes(':') ? `[${host}]` : host}:${bound}`;
  }

  #listening(server: Server | TlsServer, where: string, listen: (ready: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(new GatewayError('LISTEN_FAILED', `${where}: ${error.message}`));
      server.once('error', failed);
      listen(() => {
        server.off('error', failed);
        server.on('error', this.#report);
        resolve();
      });
    });
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
