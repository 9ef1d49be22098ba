import { existsSync, lstatSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import type { Actor } from '../audit/gateway-chain.ts';
import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { IdentityChain } from '../identity/chain.ts';
import type { Presented } from '../identity/types.ts';
import { presentedBy } from '../ingress/presented.ts';
import { objectIn, readBytes } from './body.ts';
import type { Recognise } from './credentials.ts';
import { type Answer, failure } from './failure.ts';
import { type AnyRoute, mayUse, type Operator, PREFIX } from './route.ts';
import { bodyFor, type Found, Router } from './router.ts';
import { streamEvents } from './stream-events.ts';

export interface OperatorListenerDeps {
  /** Absolute path of the Unix socket. */
  socket: string;
  operators: Recognise;
  /** Agents are recognised only to be refused by name (architecture rule 6). */
  agents: Pick<IdentityChain, 'identify'>;
  /** Enters in the gateway chain what is refused. */
  enter: (action: string, by: Actor, detail: JsonObject) => Promise<void>;
  /** Told of every error that no GatewayError explains. */
  report: (error: unknown) => void;
  /** All there is to ask. */
  routes: readonly AnyRoute[];
}

/** For routes that ask for no credential. */
const NOBODY: Operator = { subject: '', source: 'bearer', roles: [] };

/** The operator interface: its own listener, its own credential, never reachable with an agent's (contracts section 9). */
export class OperatorListener {
  readonly #deps: OperatorListenerDeps;
  readonly #router: Router;
  readonly #server: Server;

  constructor(deps: OperatorListenerDeps) {
    this.#deps = deps;
    this.#router = new Router(deps.routes);
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        deps.report(error);
        send(response, failure('INTERNAL_ERROR', ''));
      });
    });
    this.#server.requestTimeout = 30_000;
  }

  /** Rejects with LISTEN_FAILED when another process serves the socket, or the file is none. A stale socket is replaced. */
  async listen(): Promise<void> {
    const { socket } = this.#deps;
    await mkdir(dirname(socket), { recursive: true, mode: 0o700 });
    if (await answers(socket)) throw new GatewayError('LISTEN_FAILED', `another process serves ${socket}`);
    if (existsSync(socket) && !lstatSync(socket).isSocket()) {
      throw new GatewayError('LISTEN_FAILED', `${socket} is there and is no socket; it is left alone`);
    }
    await rm(socket, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(new GatewayError('LISTEN_FAILED', `${socket}: ${error.message}`)));
      this.#server.listen(socket, resolve);
    });
    await chmod(socket, 0o600);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { method = '', url = '' } = request;
      const open = this.#openRoute(method, url);
      const by = open === null ? await this.#authenticate(request) : NOBODY;
      const found = open ?? this.#router.find(method, url);
      if (open === null) await this.#requireRole(found.route, by, request);
      const body = bodyFor(found.route, method === 'POST' ? objectIn(await readBytes(request)) : null);
      const asked = { by, params: found.params, query: found.query, body };
      if ('follow' in found.route) return streamEvents(found.route.follow, response);
      const answer = await found.route.serve(asked);
      send(response, { status: found.route.unavailable?.(answer) === true ? 503 : 200, body: answer });
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      send(response, failure(error.code, error.detail));
    }
  }

  /** The route, where it asks for no credential; whoever has none is told of no other. */
  #openRoute(method: string, url: string): Found | null {
    try {
      const found = this.#router.find(method, url);
      return 'open' in found.route ? found : null;
    } catch (error) {
      if (error instanceof GatewayError) return null;
      throw error;
    }
  }

  /** @throws GatewayError UNAUTHENTICATED, FORBIDDEN */
  async #authenticate(request: IncomingMessage): Promise<Operator> {
    const presented = presentedBy(request);
    const operator = this.#deps.operators(presented);
    if (operator !== null) return operator;
    const agent = await this.#agent(presented);
    if (agent === null) throw new GatewayError('UNAUTHENTICATED', '');
    await this.#enterRefusal(request, agent, {});
    throw new GatewayError('FORBIDDEN', '');
  }

  async #agent(presented: Presented): Promise<Caller | null> {
    try {
      return await this.#deps.agents.identify(presented);
    } catch (error) {
      if (error instanceof GatewayError) return null;
      throw error;
    }
  }

  /** @throws GatewayError FORBIDDEN */
  async #requireRole(route: AnyRoute, by: Operator, request: IncomingMessage): Promise<void> {
    if (by.roles.some((role) => mayUse(route, role))) return;
    await this.#enterRefusal(request, by, { roles: by.roles.join(' ') });
    const lacking = `${route.operationId} is for ${route.roles.join(', ')}; ${by.subject} is ${by.roles.join(', ')}`;
    throw new GatewayError('FORBIDDEN', lacking);
  }

  async #enterRefusal({ method = '', url = '' }: IncomingMessage, by: Actor, more: JsonObject): Promise<void> {
    await this.#deps.enter('operator.refused', by, { subject: by.subject, method, route: routeName(url), ...more });
  }
}

function send(response: ServerResponse, answer: Answer): void {
  if (response.headersSent) return;
  response.writeHead(answer.status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${stringifyJson(answer.body)}\n`);
}

/** A refused attempt is entered with the route's name, not with whatever was put into the path. */
function routeName(url: string): string {
  return url.startsWith(PREFIX) ? (/^\/operator\/v1\/[a-z]+/.exec(url)?.[0] ?? 'other') : 'other';
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
