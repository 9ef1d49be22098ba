import { type JsonObject, member } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import type { Timers } from '../../timers.ts';
import { type Ask, askMethod, type ClientAbilities, NO_ABILITIES } from '../asks.ts';
import { instructionsOf, serverCapabilities } from '../capabilities.ts';
import type { Outlet } from '../exchange.ts';
import { type Asked, readGoverned } from '../governed-params.ts';
import type { InFlight } from '../in-flight.ts';
import { notificationMessage, type RpcNotification, type RpcRequest, type RpcResponse } from '../jsonrpc.ts';
import { isOffered, listChanged, listedBy, listResult, readCursor } from '../lists.ts';
import { type LogLevel, readLogLevel } from '../log-level.ts';
import { Notices } from '../notices.ts';
import { namedUri, notFoundDetails, Replies, type Reply } from '../reply.ts';
import { readRequestMeta } from '../request-meta.ts';
import { SERVER_INFO } from '../server-info.ts';
import type { ChangeKind, ClientSide, GovernedGateway, ListKind, Offer, Outcome, SessionRef } from '../types.ts';
import { handshakeStyle } from './error-style.ts';
import { PendingAsks, PING_ANSWER_MS } from './pending-asks.ts';
import { projectAsk } from './projected-ask.ts';
import { projectDefinition, projectResult } from './projection.ts';
import type { Revision } from './revision.ts';
import { ResourceSubscriptions } from './subscriptions.ts';

export interface HandshakeDeps {
  gateway: GovernedGateway;
  clock: Clock;
  timers: Timers;
  /** For what has to be named uniquely. */
  newId: () => string;
  /** Told of every error that no GatewayError explains. */
  onFault: (error: unknown) => void;
}

/** What carries the messages of one client. */
export interface Carrier {
  /** The requests of this client that have no answer yet. */
  inFlight: InFlight;
  /** Says what belongs to no request. */
  announce: (message: JsonObject) => void;
}

/** How a request came. */
export interface Sent {
  /** With the credential of this very request, whose scopes and groups may be others than at `initialize`. */
  caller: Caller;
  outlet: Outlet;
}

interface Serving extends Sent {
  signal: AbortSignal;
}

/** What `initialize` settled. */
interface Agreement {
  ref: SessionRef;
  revision: Revision;
  abilities: ClientAbilities;
  /** What was declared: nothing else is announced. */
  offer: Offer;
}

/** Notifications that change nothing here and may be dropped; any other is refused. */
const HARMLESS = new Set([
  'notifications/initialized',
  'notifications/progress',
  'notifications/roots/list_changed',
  'notifications/cancelled',
]);

/** One client's session in a handshake revision, whatever carries its messages. */
export class HandshakeSession {
  readonly ref: SessionRef;
  readonly revision: Revision;
  readonly #agreed: Agreement;
  readonly #deps: HandshakeDeps;
  readonly #carrier: Carrier;
  readonly #replies: Replies;
  readonly #asks: PendingAsks;
  readonly #subscriptions = new ResourceSubscriptions();
  /** Until the client sets one, it is told everything that servers log. */
  #logLevel: LogLevel = 'debug';
  #ended: Promise<void> | null = null;

  constructor(deps: HandshakeDeps, carrier: Carrier, agreed: Agreement) {
    this.#deps = deps;
    this.#carrier = carrier;
    this.#agreed = agreed;
    this.#replies = new Replies(deps.gateway, handshakeStyle, deps.onFault);
    this.#asks = new PendingAsks(deps.timers);
    this.ref = agreed.ref;
    this.revision = agreed.revision;
  }

  get busy(): boolean {
    return this.#carrier.inFlight.size > 0;
  }

  /** What `initialize` is answered with. */
  initializeResult(): JsonObject {
    const { offer, revision } = this.#agreed;
    return {
      protocolVersion: revision.name,
      capabilities: serverCapabilities(offer),
      serverInfo: SERVER_INFO,
      ...instructionsOf(offer),
    };
  }

  /** Never rejects. `cancelled`: the client said that it no longer waits for this answer. */
  async answer(request: RpcRequest, sent: Sent): Promise<{ reply: Reply; cancelled: boolean }> {
    const { inFlight } = this.#carrier;
    try {
      const run = (signal: AbortSignal): Promise<Reply> => this.#safely(request, { ...sent, signal });
      const { value, cancelled } = await inFlight.run(request.id, run);
      return { reply: value, cancelled };
    } catch (error) {
      return { reply: this.#replies.thrown(request.id, error), cancelled: false };
    }
  }

  /** False when the notification is none that a client may send here. */
  notified({ method, params }: RpcNotification): boolean {
    if (method === 'notifications/cancelled') this.#carrier.inFlight.cancel(member(params, 'requestId'));
    return HARMLESS.has(method);
  }

  /** The client's answer to what it was asked. */
  answered(response: RpcResponse): void {
    this.#asks.answered(response);
  }

  /** LIFE-08: a list may have changed. */
  listChanged(kind: ChangeKind): void {
    if (isOffered(this.#agreed.offer, kind)) this.#carrier.announce(notificationMessage(listChanged(kind)));
  }

  /** MCP25-04: asks whether the client is still there. Rejects with a GatewayError when it does not say so in time. */
  async ping(): Promise<void> {
    const say = (message: JsonObject): boolean => {
      this.#carrier.announce(message);
      return true;
    };
    const outlet = { open: true, say };
    const signal = new AbortController().signal;
    await this.#asks.ask({ method: 'ping', params: {}, outlet, signal, withinMs: PING_ANSWER_MS });
  }

  /** Aborts what runs, waits until it is recorded, then ends the audited session. Once. */
  end(reason: 'client' | 'idle' | 'shutdown'): Promise<void> {
    this.#ended ??= this.#end(reason);
    return this.#ended;
  }

  async #end(reason: 'client' | 'idle' | 'shutdown'): Promise<void> {
    const { inFlight } = this.#carrier;
    inFlight.abortAll();
    this.#asks.abandon();
    this.#subscriptions.end();
    await inFlight.settled();
    await this.#deps.gateway.endSession(this.ref, reason);
  }

  async #safely(request: RpcRequest, serving: Serving): Promise<Reply> {
    try {
      return await this.#dispatch(request, serving);
    } catch (error) {
      return this.#replies.thrown(request.id, error);
    }
  }

  async #dispatch(request: RpcRequest, serving: Serving): Promise<Reply> {
    const { id, method, params } = request;
    switch (method) {
      case 'ping':
        this.#deps.gateway.count('pinged');
        return this.#replies.result(id, {});
      case 'initialize':
        return this.#replies.refuse(id, 'INVALID_REQUEST');
      case 'logging/setLevel':
        return this.#setLevel(request);
      case 'resources/subscribe':
        return await this.#subscribe(request, serving);
      case 'resources/unsubscribe':
        this.#subscriptions.remove(readUri(params));
        return this.#replies.result(id, {});
    }
    const kind = listedBy(method);
    if (kind !== null) return await this.#list(request, kind, serving.caller);
    const asked = readGoverned(method, params);
    return asked === null ? await this.#refuse(request, serving.caller) : await this.#govern(request, asked, serving);
  }

  #setLevel({ id, params }: RpcRequest): Reply {
    const level = readLogLevel(member(params, 'level'));
    if (level === null) throw new GatewayError('INVALID_PARAMS', 'level is no log level');
    this.#logLevel = level;
    return this.#replies.result(id, {});
  }

  async #subscribe({ id, params }: RpcRequest, { caller, signal }: Serving): Promise<Reply> {
    const uri = readUri(params);
    const { workflow, trace } = readRequestMeta(params);
    this.#subscriptions.admit(uri);
    const { announce } = this.#carrier;
    const subscription = await this.#deps.gateway.subscribe({
      caller,
      session: this.ref,
      handle: null,
      workflow,
      trace,
      signal,
      uris: [uri],
      onUpdated: (updated) => announce(notificationMessage('notifications/resources/updated', { uri: updated })),
    });
    const [refused] = subscription.refused;
    if (refused === undefined) {
      this.#subscriptions.add(uri, subscription);
      return this.#replies.result(id, {});
    }
    subscription.end();
    return this.#replies.failed(id, refused.outcome, notFoundDetails(refused.outcome.code, uri));
  }

  async #list(request: RpcRequest, kind: ListKind, caller: Caller): Promise<Reply> {
    const { gateway } = this.#deps;
    if (!isOffered(gateway.offer(caller), kind)) return await this.#refuse(request, caller);
    const { items, nextCursor } = await gateway.list(kind, caller, readCursor(request.params));
    const shown = items.map((item) => projectDefinition(kind, item, this.revision));
    return this.#replies.result(request.id, listResult(kind, { items: shown, nextCursor }));
  }

  async #govern({ id, params }: RpcRequest, asked: Asked, { caller, signal, outlet }: Serving): Promise<Reply> {
    const { progressToken, ...declared } = readRequestMeta(params);
    const notices = new Notices({
      clock: this.#deps.clock,
      progressToken,
      logLevel: () => this.#logLevel,
      say: (message) => void outlet.say(message, true),
    });
    const client = this.#clientSide(outlet, notices, progressToken !== null);
    const context = { caller, session: this.ref, handle: null, ...declared };
    try {
      const request = { ...context, ...asked, signal, client, round: null };
      return this.#outcome(id, asked, caller, await this.#deps.gateway.request(request));
    } finally {
      notices.end();
    }
  }

  /** Who takes no stream can be asked nothing and told nothing before the answer. */
  #clientSide(outlet: Outlet, notices: Notices, wantsProgress: boolean): ClientSide {
    const level = (): LogLevel => this.#logLevel;
    return {
      abilities: outlet.open ? this.#agreed.abilities : NO_ABILITIES,
      ask: (ask, signal) => this.#ask(ask, signal, outlet),
      wantsProgress: wantsProgress && outlet.open,
      get logLevel() {
        return outlet.open ? level() : null;
      },
      notify: (notice) => notices.notify(notice),
    };
  }

  async #ask(ask: Ask, signal: AbortSignal, outlet: Outlet): Promise<JsonObject> {
    const params = projectAsk(ask, this.revision, this.#deps.newId);
    return await this.#asks.ask({ method: askMethod(ask.kind), params, outlet, signal, withinMs: null });
  }

  #outcome(id: RpcRequest['id'], asked: Asked, caller: Caller, outcome: Outcome): Reply {
    if (outcome.kind === 'error') {
      return this.#replies.failed(id, outcome, notFoundDetails(outcome.code, namedUri(asked)));
    }
    if (outcome.type !== 'complete') {
      throw new GatewayError('INTERNAL_ERROR', 'an interim answer for a client that cannot take one');
    }
    const schema = asked.method === 'tools/call' ? this.#deps.gateway.outputSchema(caller, asked.name) : null;
    return this.#replies.result(id, projectResult(asked.method, outcome.result, this.revision, schema));
  }

  /** Whatever is not governed, or not offered to this caller, is refused, and that is recorded (MCP26-44, MCP25-18). */
  async #refuse({ id, method, params }: RpcRequest, caller: Caller): Promise<Reply> {
    const refused = { caller, session: this.ref, handle: null, method, params };
    const outcome = await this.#deps.gateway.refuseMethod(refused);
    return this.#replies.refused(id, outcome);
  }
}

function readUri(params: JsonObject): string {
  const uri = member(params, 'uri');
  if (typeof uri !== 'string') throw new GatewayError('INVALID_PARAMS', 'uri must be a string');
  return uri;
}
