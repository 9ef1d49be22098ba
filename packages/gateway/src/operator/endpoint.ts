import type { IncomingMessage, ServerResponse } from 'node:http';
import { canonicalSorted, digest, type JsonObject, stringifyJson } from '@cmcp/evidence';
import type { Actor } from '../audit/gateway-chain.ts';
import type { Caller } from '../caller.ts';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import type { IdentityChain } from '../identity/chain.ts';
import type { Presented } from '../identity/types.ts';
import { BodyAborted } from '../ingress/body.ts';
import { PeerCertificates } from '../ingress/peer-certificates.ts';
import { presentedBy } from '../ingress/presented.ts';
import type { Monotonic } from '../session/freshness.ts';
import type { Timers } from '../timers.ts';
import { objectIn, readBytes } from './body.ts';
import type { Recognise } from './credentials.ts';
import { type Answer, failure, headersOf } from './failure.ts';
import { Replays } from './replays.ts';
import { type AnyRoute, mayUse, type Operator, type RouteRequest } from './route.ts';
import { bodyFor, type Found, Router } from './router.ts';
import { EventStreams } from './stream-events.ts';

export interface EndpointDeps {
  operators: Recognise;
  /** Agents are recognised only to be refused by name (architecture rule 6). */
  agents: Pick<IdentityChain, 'identify'>;
  /** Enters in the gateway chain what is refused. */
  enter: (action: string, by: Actor, detail: JsonObject) => Promise<void>;
  /** Counts a request whose credential is nobody's. */
  countUnknown: () => void;
  /** Told of every error that no GatewayError explains. */
  report: (error: unknown) => void;
  clock: Clock;
  timers: Timers;
  monotonic: Monotonic;
  /** All there is to ask. */
  routes: readonly AnyRoute[];
}

/** What a listener knows of a connection that the endpoint does not. */
export interface Manner {
  /** @throws GatewayError for a request that is not let in; before anything of it is read */
  guard?: (request: IncomingMessage) => void;
  /** Told of a request without a credential that counts. @throws GatewayError RATE_LIMITED */
  failed?: (request: IncomingMessage) => void;
  /** Whether the connection should not be used for long. */
  isOver?: (request: IncomingMessage) => boolean;
}

/** For routes that ask for no credential. */
const NOBODY: Operator = { subject: '', source: 'bearer', roles: [] };

/** Answers the requests of operators, on whichever listener they come. */
export class OperatorEndpoint {
  readonly #deps: EndpointDeps;
  readonly #peers = new PeerCertificates();
  readonly #router: Router;
  readonly #replays: Replays;
  readonly #streams: EventStreams;

  constructor(deps: EndpointDeps) {
    this.#deps = deps;
    this.#router = new Router(deps.routes);
    this.#replays = new Replays(deps.monotonic);
    this.#streams = new EventStreams(deps.timers);
  }

  async accept(request: IncomingMessage, response: ServerResponse, manner: Manner = {}): Promise<void> {
    try {
      if (manner.isOver?.(request) === true) response.setHeader('connection', 'close');
      manner.guard?.(request);
      await this.#serve(request, response, manner);
    } catch (error) {
      // Also of whoever shows no credential, to a route that asks for none: it must not push out what operators follow.
      if (error instanceof BodyAborted) return;
      if (!(error instanceof GatewayError)) this.#deps.report(error);
      send(response, error instanceof GatewayError ? this.#refusal(error, request) : failure('INTERNAL_ERROR', ''));
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse, manner: Manner): Promise<void> {
    const { method = '', url = '' } = request;
    const open = this.#openRoute(method, url);
    const by = open === null ? await this.#authenticate(request, manner) : NOBODY;
    const found = open ?? this.#router.find(method, url);
    if (open === null) await this.#requireRole(found.route, by, request);
    const bytes = method === 'POST' ? await readBytes(request) : new Uint8Array();
    const body = bodyFor(found.route, objectIn(bytes));
    if ('follow' in found.route) {
      const { expiresMicros = Number.POSITIVE_INFINITY } = by;
      const isOver = (): boolean => manner.isOver?.(request) === true || this.#deps.clock.nowMicros() >= expiresMicros;
      return this.#streams.open(found.route.follow, response, tokenIn(request, 'last-event-id'), isOver);
    }
    const { route, params, query } = found;
    const received = { bytes, field: (name: string) => fieldIn(request, name) };
    const serve = (): Promise<Answer> => this.#answer(route, { by, params, query, body, received });
    const key = route.mutates && open === null ? tokenIn(request, 'idempotency-key') : null;
    if (key === null) return send(response, await serve());
    const asked = digest(canonicalSorted([method, url, body]));
    const { replayed, ...answer } = await this.#replays.once({ owner: ownerKey(by), key, asked }, serve);
    if (replayed) response.setHeader('idempotency-replayed', 'true');
    send(response, answer);
  }

  /** Whatever comes of it is an answer: it is given again to whoever asks again. */
  async #answer(route: Exclude<AnyRoute, { follow: unknown }>, asked: RouteRequest): Promise<Answer> {
    try {
      const body = await route.serve(asked);
      return { status: route.unavailable?.(body) === true ? 503 : 200, body };
    } catch (error) {
      if (error instanceof GatewayError) return failure(error.code, error.detail);
      this.#deps.report(error);
      return failure('INTERNAL_ERROR', '');
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

  /** @throws GatewayError UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED */
  async #authenticate(request: IncomingMessage, { failed }: Manner): Promise<Operator> {
    const presented = presentedBy(request, this.#peers);
    const operator = await this.#deps.operators(presented);
    if (operator !== null) return operator;
    const agent = await this.#agent(presented);
    if (agent === null) this.#deps.countUnknown();
    failed?.(request);
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
    await this.#enterRefusal(request, by, {});
    const has = by.roles.length === 0 ? 'has no role' : `is ${by.roles.join(', ')}`;
    throw new GatewayError('FORBIDDEN', `${route.operationId} is for ${route.roles.join(', ')}; ${by.subject} ${has}`);
  }

  async #enterRefusal({ method = '', url = '' }: IncomingMessage, by: Actor, more: JsonObject): Promise<void> {
    await this.#deps.enter('operator.refused', by, { subject: by.subject, method, route: routeName(url), ...more });
  }

  #refusal({ code, detail }: GatewayError, { url = '' }: IncomingMessage): Answer {
    const answer = failure(code, detail);
    if (code !== 'METHOD_NOT_ALLOWED') return answer;
    return { ...answer, headers: { allow: this.#router.methodsAt(url).join(', ') } };
  }
}

function send(response: ServerResponse, answer: Answer): void {
  if (response.headersSent) return;
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  response.writeHead(answer.status, { ...headers, ...headersOf(answer) });
  response.end(`${stringifyJson(answer.body)}\n`);
}

/** A refused attempt is entered with the route's name, not with whatever was put into the path. */
function routeName(url: string): string {
  return /^\/operator\/v1\/[a-z]+/.exec(url)?.[0] ?? 'other';
}

function ownerKey({ subject, source }: Operator): string {
  return JSON.stringify([source, subject]);
}

function fieldIn({ headersDistinct }: IncomingMessage, name: string): string | null {
  const values = headersDistinct[name] ?? [];
  return values.length === 1 ? (values[0] ?? null) : null;
}

/** What is sent in a field that a client may leave out. @throws GatewayError INVALID_PARAMS */
function tokenIn(request: IncomingMessage, name: string): string | null {
  if (request.headersDistinct[name] === undefined) return null;
  const text = fieldIn(request, name);
  if (text !== null && /^[\x21-\x7e]{1,128}$/.test(text)) return text;
  throw new GatewayError('INVALID_PARAMS', `send one header ${name}: 1 to 128 visible ASCII characters`);
}
