import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import type { Timers } from '../../timers.ts';
import { capabilitiesOf, NO_ABILITIES, TASKS_EXTENSION } from '../asks.ts';
import { instructionsOf, serverCapabilities } from '../capabilities.ts';
import type { HeaderValues, Outlet } from '../exchange.ts';
import { type Asked, readGoverned } from '../governed-params.ts';
import { heldAtMost } from '../held-open.ts';
import type { RpcNotification, RpcRequest } from '../jsonrpc.ts';
import { isOffered, listedBy, listResult, readCursor } from '../lists.ts';
import { Notices } from '../notices.ts';
import type { PerSubject } from '../per-subject.ts';
import { namedUri, notFoundDetails, Replies, type Reply } from '../reply.ts';
import { readHandle, readRequestMeta } from '../request-meta.ts';
import { MODERN_REVISION, SUPPORTED_REVISIONS } from '../revisions.ts';
import type { ClientSide, GovernedGateway, ListKind, Outcome } from '../types.ts';
import { type ClientWishes, readWishes } from './client-side.ts';
import { readEnvelope } from './envelope.ts';
import { modernStyle } from './error-style.ts';
import { disagreeingHeader, disagreeingParameter } from './header-agreement.ts';
import { offeredLists, readFilter } from './listen-filter.ts';
import { Listening } from './listening.ts';
import { governed, listed } from './results.ts';
import { readRound } from './round.ts';
import { readTask } from './task-params.ts';

export interface ModernDeps {
  gateway: GovernedGateway;
  clock: Clock;
  timers: Timers;
  /** Bounds the subscriptions that a caller holds open. */
  streams: PerSubject;
  /** Told of every error that no GatewayError explains. */
  onFault: (error: unknown) => void;
}

/** One request with everything that may influence its answer: nothing is remembered between requests (MCP26-20). */
export interface ModernExchange {
  caller: Caller;
  /** Null on stdio, which has no header layer. */
  headers: HeaderValues | null;
  /** Aborts when the caller no longer wants the answer. */
  signal: AbortSignal;
}

/** A credential may have been withdrawn meanwhile, and a client be gone without a word: whoever still listens asks again. */
const LIFETIME_MS = 3_600_000;
export const LISTEN = 'subscriptions/listen';
/** Carry no decision: cancellation over HTTP is the closed stream, and ids of other streams are not looked up. */
const HARMLESS = new Set(['notifications/cancelled', 'notifications/progress']);

/** MCP 2026-07-28: stateless, every request complete in itself. */
export class ModernServer {
  readonly #deps: ModernDeps;
  readonly #replies: Replies;
  readonly #listening = new Map<Listening, Caller>();
  readonly #stop: (() => void)[];

  constructor(deps: ModernDeps) {
    this.#deps = deps;
    this.#replies = new Replies(deps.gateway, modernStyle, deps.onFault);
    this.#stop = [
      deps.gateway.onListChanged((kind) => {
        for (const each of this.#listening.keys()) each.listChanged(kind);
      }),
      deps.gateway.onStopped(() => this.#endStopped()),
    ];
  }

  /** Never rejects: what goes wrong is an answer. Not for what is listened to. */
  async answer(request: RpcRequest, exchange: ModernExchange, outlet: Outlet): Promise<Reply> {
    try {
      return this.#refusal(request, exchange.headers) ?? (await this.#dispatch(request, exchange, outlet));
    } catch (error) {
      return this.#replies.thrown(request.id, error);
    }
  }

  /** A subscription that waits to begin, or why there is none. Never rejects. */
  async listen(request: RpcRequest, exchange: ModernExchange): Promise<Listening | Reply> {
    try {
      return this.#refusal(request, exchange.headers) ?? (await this.#open(request, exchange));
    } catch (error) {
      return this.#replies.thrown(request.id, error);
    }
  }

  /** A notification over HTTP: accepted without a body, or an error without an id (MCP26-05). */
  notified(notification: RpcNotification, headers: HeaderValues): Reply {
    const method = headers('mcp-method');
    if (method.some((value) => value !== notification.method)) {
      return this.#replies.refuse(null, 'HEADER_MISMATCH', { data: { header: 'Mcp-Method' } });
    }
    return HARMLESS.has(notification.method) ? this.#replies.accepted() : this.#replies.refuse(null, 'INVALID_REQUEST');
  }

  /** Ends every subscription, and says so to who listens. */
  endListening(): void {
    for (const each of this.#listening.keys()) each.close();
  }

  #endStopped(): void {
    for (const [each, caller] of this.#listening) if (this.#deps.gateway.isStopped(caller)) each.close();
  }

  close(): void {
    for (const stop of this.#stop) stop();
    this.endListening();
  }

  /** What is wrong with the request as a message of this family, whatever it asks for. */
  #refusal(request: RpcRequest, headers: HeaderValues | null): Reply | null {
    const { id, method, params } = request;
    const envelope = readEnvelope(params);
    if ('missing' in envelope) {
      return this.#replies.refuse(id, 'INVALID_PARAMS', { status: 400, data: { missing: envelope.missing } });
    }
    const header = headers === null ? null : disagreeingHeader(headers, method, params, envelope.version);
    const supported = envelope.version === MODERN_REVISION;
    // A version that we do not speak may have other header rules: only its own header is held against it.
    if (header !== null && (supported || header === 'MCP-Protocol-Version')) {
      return this.#replies.refuse(id, 'HEADER_MISMATCH', { data: { header } });
    }
    if (supported) return null;
    const data = { supported: [...SUPPORTED_REVISIONS], requested: envelope.version };
    return this.#replies.refuse(id, 'UNSUPPORTED_VERSION', { data });
  }

  async #dispatch(request: RpcRequest, exchange: ModernExchange, outlet: Outlet): Promise<Reply> {
    const { method, params } = request;
    if (method === 'server/discover') return this.#discover(request, exchange.caller);
    const kind = listedBy(method);
    if (kind !== null) return await this.#list(request, kind, exchange.caller);
    const asked = readGoverned(method, params) ?? readTask(method, params);
    if (asked === null) return await this.#refuseMethod(request, exchange.caller);
    return await this.#govern(request, asked, exchange, outlet);
  }

  #discover({ id, params }: RpcRequest, caller: Caller): Reply {
    readWishes(params);
    this.#deps.gateway.count('discovered');
    const offer = this.#deps.gateway.offer(caller);
    const capabilities = { ...serverCapabilities(offer), extensions: { [TASKS_EXTENSION]: {} } };
    const supportedVersions = [...SUPPORTED_REVISIONS];
    return this.#replies.result(id, listed({ supportedVersions, capabilities, ...instructionsOf(offer) }));
  }

  async #list(request: RpcRequest, kind: ListKind, caller: Caller): Promise<Reply> {
    const { gateway } = this.#deps;
    if (!isOffered(gateway.offer(caller), kind)) return await this.#refuseMethod(request, caller);
    readWishes(request.params);
    const page = await gateway.list(kind, caller, readCursor(request.params));
    return this.#replies.result(request.id, listed(listResult(kind, page)));
  }

  async #govern(request: RpcRequest, asked: Asked, exchange: ModernExchange, outlet: Outlet): Promise<Reply> {
    const { id, method, params } = request;
    const { caller, headers, signal } = exchange;
    const { progressToken, ...declared } = readRequestMeta(params);
    const wishes = readWishes(params);
    if ('taskId' in asked && !wishes.abilities.tasks) return this.#refuseTasks(id);
    const round = readRound(method, params);
    const header = headers === null ? null : this.#disagreement(asked, headers, caller);
    if (header !== null) return this.#replies.refuse(id, 'HEADER_MISMATCH', { data: { header } });
    const { logLevel } = wishes;
    const say = (message: Parameters<Outlet['say']>[0]): void => void outlet.say(message, true);
    const notices = new Notices({ clock: this.#deps.clock, progressToken, logLevel: () => logLevel, say });
    const client = clientSide(wishes, notices, outlet, progressToken !== null);
    const context = { caller, session: null, handle: readHandle(params), ...declared };
    try {
      const outcome = await this.#deps.gateway.request({ ...context, ...asked, signal, client, round });
      return this.#outcome(id, asked, outcome);
    } finally {
      notices.end();
    }
  }

  /** MCP26-12 */
  #disagreement(asked: Asked, headers: HeaderValues, caller: Caller): string | null {
    if (asked.method !== 'tools/call') return null;
    const schema = this.#deps.gateway.inputSchema(caller, asked.name);
    return schema === null ? null : disagreeingParameter(headers, schema, asked.arguments);
  }

  #outcome(id: RpcRequest['id'], asked: Asked, outcome: Outcome): Reply {
    if (outcome.kind === 'result') return this.#replies.result(id, governed(asked.method, outcome));
    return this.#replies.failed(id, outcome, notFoundDetails(outcome.code, namedUri(asked)));
  }

  /** Whatever is not governed, or not offered to this caller, is refused, and that is recorded (MCP26-44). */
  async #refuseMethod({ id, method, params }: RpcRequest, caller: Caller): Promise<Reply> {
    const handle = readHandle(params);
    const outcome = await this.#deps.gateway.refuseMethod({ caller, session: null, handle, method, params });
    return this.#replies.refused(id, outcome);
  }

  async #open({ id, params }: RpcRequest, { caller, signal }: ModernExchange): Promise<Listening | Reply> {
    const { gateway, timers, streams } = this.#deps;
    const { workflow, trace } = readRequestMeta(params);
    const { abilities } = readWishes(params);
    const filter = readFilter(params);
    if (filter.tasks && !abilities.tasks) return this.#refuseTasks(id);
    if (gateway.isStopped(caller)) throw new GatewayError('BLOCKED', `${caller.subject} is stopped`);
    const leave = streams.enter(caller.subject);
    const lists = offeredLists(filter, gateway.offer(caller));
    const onOver = (): void => {
      leave();
      this.#listening.delete(listening);
    };
    const lifetimeMs = heldAtMost(caller, this.#deps.clock, LIFETIME_MS);
    const listening = new Listening({ id, lists, timers, lifetimeMs, onOver });
    this.#listening.set(listening, caller);
    try {
      const context = { caller, session: null, handle: readHandle(params), workflow, trace, signal };
      const onUpdated = (uri: string): void => listening.updated(uri);
      if (filter.uris.length > 0) {
        listening.subscribed(await gateway.subscribe({ ...context, uris: filter.uris, onUpdated }));
      }
    } catch (error) {
      listening.end();
      throw error;
    }
    if (signal.aborted) throw this.#givenUp(listening);
    return listening;
  }

  /** MCP26-15: nothing is said of tasks to a client that did not declare their extension, also not that there is none. */
  #refuseTasks(id: RpcRequest['id']): Reply {
    const requiredCapabilities = capabilitiesOf({ ...NO_ABILITIES, tasks: true });
    return this.#replies.refuse(id, 'CAPABILITY_REQUIRED', { data: { requiredCapabilities } });
  }

  #givenUp(listening: Listening): GatewayError {
    listening.end();
    return new GatewayError('CALL_CANCELLED', 'nobody listens any more');
  }
}

/** MCP26-28: this family's client is asked by an interim answer, so not here. */
function clientSide(wishes: ClientWishes, notices: Notices, outlet: Outlet, wantsProgress: boolean): ClientSide {
  return {
    abilities: wishes.abilities,
    ask: null,
    wantsProgress: wantsProgress && outlet.open,
    logLevel: outlet.open ? wishes.logLevel : null,
    notify: (notice) => notices.notify(notice),
  };
}
