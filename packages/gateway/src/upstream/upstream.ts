import type { LookupFunction } from 'node:net';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import type { CatalogServer } from '../catalog/types.ts';
import type { Egress } from '../egress.ts';
import { GatewayError } from '../errors.ts';
import type { AskKind } from '../mcp/asks.ts';
import { LISTS, readPage } from '../mcp/server-lists.ts';
import { readInstructions, type ServerProfile } from '../mcp/server-profile.ts';
import type { ChangeKind, ListKind } from '../mcp/types.ts';
import { Breaker } from './breaker.ts';
import { Bulkhead } from './bulkhead.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import type { Credential } from './credential/credential.ts';
import { openCredential } from './credential/open.ts';
import { EventLog } from './event-log.ts';
import { Hearing } from './hearing.ts';
import { HttpChannel } from './http-channel.ts';
import { type EnterIdentity, IdentityEvents } from './identity-events.ts';
import { usableItems } from './live-items.ts';
import { type MonotonicTimers, monotonicTimers } from './monotonic.ts';
import { News } from './news.ts';
import { OwnRequests } from './own-requests.ts';
import { pinnedPeer } from './pinned-peer.ts';
import { RequestSide } from './request-side.ts';
import { Scope } from './scope.ts';
import { StdioChannel } from './stdio-channel.ts';
import { Subscriptions } from './subscriptions.ts';
import {
  type Listed,
  type Upstream,
  type UpstreamLog,
  type UpstreamMethod,
  type UpstreamRequest,
  type UpstreamResult,
  UpstreamRpcError,
  type UpstreamSettings,
} from './types.ts';

const GRACE_MS = 2000;
const MAX_PAGES = 100;
const MAX_ITEMS = 10_000;
/** Of items that are left out, so many are named in the log, each so long. */
const MAX_NAMED = 20;
const MAX_REASON = 200;
const METHOD_NOT_FOUND = -32601;

/** The lists that must have been compared with the catalog before a method is sent. */
const COMPARED: Partial<Record<UpstreamMethod, readonly ListKind[]>> = {
  'tools/call': ['tools'],
  'resources/read': ['resources', 'resourceTemplates'],
  'prompts/get': ['prompts'],
};

export interface UpstreamDeps {
  /** Environment that the allow-listed variables of a child are taken from. */
  baseEnv: Readonly<Record<string, string | undefined>>;
  /** Where the gateway may connect to. */
  egress: Egress;
  /** Certificates (PEM) that HTTPS servers must chain to; absent: those that Node trusts. */
  ca?: string[];
  /** Finds the addresses of a server's name; absent: the system does. */
  lookup?: LookupFunction;
  timers?: MonotonicTimers;
  /** Absent: outside a gateway there is no chain to enter it in. */
  enterIdentity?: EnterIdentity;
  /** Milliseconds that a child is given after its input is closed, and again after SIGTERM. */
  graceMs?: number;
}

/**
 * Connects to nothing yet: the first use does. What the catalog gets wrong about a server (relative command, plain HTTP to
 * another machine) is reported by that use, so that one bad server does not keep the others from being served (LIFE-03).
 * @throws GatewayError CONFIG_INVALID when `settings.headers` names a field that the gateway sets itself
 */
export function createUpstream(
  server: CatalogServer,
  settings: UpstreamSettings,
  log: UpstreamLog,
  deps: UpstreamDeps,
): Upstream {
  return new ServerUpstream(server, settings, new EventLog(server.id, log), deps);
}

class ServerUpstream implements Upstream {
  readonly serverId: string;
  readonly #channel: Channel;
  readonly #asks: readonly AskKind[];
  readonly #hearing: Hearing;
  readonly #news: News;
  readonly #subscriptions: Subscriptions;
  readonly #breaker: Breaker;
  readonly #bulkhead: Bulkhead;
  readonly #own: OwnRequests;
  readonly #listeners: ((kind: ChangeKind) => void)[] = [];
  readonly #timeoutMs: number;
  readonly #timers: MonotonicTimers;
  readonly #log: EventLog;
  /** For each list, the connection whose definitions were read last. */
  readonly #listed = new Map<ListKind, number>();
  #again = 0;

  constructor(server: CatalogServer, settings: UpstreamSettings, log: EventLog, deps: UpstreamDeps) {
    const timers = deps.timers ?? monotonicTimers;
    this.serverId = server.id;
    this.#asks = server.asks;
    this.#timeoutMs = settings.timeoutMs;
    this.#timers = timers;
    this.#log = log;
    this.#own = new OwnRequests(timers, log);
    this.#subscriptions = new Subscriptions({
      timers,
      subscribe: (uri) => this.#subscribe(uri),
      unsubscribe: (uri) => void this.#own.attempt(this.#unsubscribe(uri), 'not_unsubscribed'),
    });
    this.#news = new News({
      timers,
      log,
      onListChanged: (kind) => {
        for (const listener of this.#listeners) listener(kind);
      },
      onUpdated: (uri) => this.#subscriptions.updated(uri),
    });
    this.#hearing = new Hearing({
      approved: server.asks,
      log,
      onListChanged: (kind) => this.#news.listChanged(kind),
      onUpdated: (uri) => this.#news.updated(uri),
    });
    const { transport, asks } = server;
    const identity = new IdentityEvents(server.id, log, deps.enterIdentity ?? (() => {}));
    const credential = credentialOf(settings, deps, timers);
    const common = {
      identity,
      asks,
      settings,
      log,
      timers,
      hearing: this.#hearing,
      news: this.#news,
      own: this.#own,
      credential,
    };
    const channel: Channel =
      transport.kind === 'stdio'
        ? new StdioChannel({ ...common, spawn: transport, baseEnv: deps.baseEnv, graceMs: deps.graceMs ?? GRACE_MS })
        : new HttpChannel({
            ...common,
            target: transport,
            ca: deps.ca ?? null,
            lookup: deps.lookup ?? null,
            egress: deps.egress,
          });
    this.#channel = channel;
    this.#breaker = new Breaker(timers, log);
    this.#bulkhead = new Bulkhead(() => (channel.exclusive ? 1 : settings.concurrency));
  }

  send(request: UpstreamRequest): Promise<UpstreamResult> {
    const { method, params, inputSchema, maxBytes, callId, round } = request;
    return this.#governed(request.signal, async (scope, admitted) => {
      const side = new RequestSide(request, this.#asks, scope, this.#timers, this.#log);
      const { terms } = side;
      // A request that is sent again is another request (MCP26-28).
      const id = round === null ? callId : `${callId}/${++this.#again}`;
      const admit = (connection: number, profile: ServerProfile) =>
        admitted(() => this.#requireReady(method, connection, profile));
      const stop = this.#hearing.listenFor(callId, side);
      try {
        return await this.#channel.exchange({ id, method, params, inputSchema, maxBytes, terms, side, admit }, scope);
      } finally {
        stop();
        side.end();
      }
    });
  }

  list(kind: ListKind, signal: AbortSignal): Promise<Listed[]> {
    return this.#governed(signal, async (scope, admitted) => {
      const read: { connection: number | null; offered: boolean } = { connection: null, offered: true };
      const admit = (connection: number, profile: ServerProfile) => {
        // Pages of a process that ended meanwhile do not count for its successor.
        read.connection ??= connection;
        admitted(() => {
          read.offered = profile.lists(kind);
          if (!read.offered) throw notOffered(LISTS[kind].method);
        });
      };
      let found: JsonValue[] = [];
      try {
        found = await this.#pages(kind, scope, admit);
      } catch (error) {
        // A server that promised tools and no longer knows the method is in trouble, not without tools.
        if (read.offered && (kind === 'tools' || !saysNotOffered(error))) throw error;
      }
      if (read.connection !== null) this.#listed.set(kind, read.connection);
      return this.#usable(kind, found);
    });
  }

  instructions(signal: AbortSignal): Promise<string | null> {
    return this.#governed(signal, async (scope, admitted) => {
      const { restate, profile } = await this.#channel.connect(scope);
      if (restate === null) return profile.instructions;
      const admit = () => admitted(() => {});
      return readInstructions(await this.#ask({ ...this.#own.message(restate, {}), admit }, scope));
    });
  }

  async subscribe(uri: string, onUpdated: () => void, signal: AbortSignal): Promise<(() => void) | null> {
    const scope = new Scope(signal, this.#timeoutMs, this.#timers);
    try {
      return await this.#subscriptions.add(uri, onUpdated, scope);
    } finally {
      scope.dispose();
    }
  }

  onChanged(listener: (kind: ChangeKind) => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    this.#news.close();
    this.#subscriptions.close();
    return this.#channel.close();
  }

  /**
   * Runs what is sent to the server: within its time, in its turn, and not while the server fails everything. `admitted` runs
   * the check that is due before anything is sent.
   */
  async #governed<T>(
    signal: AbortSignal,
    work: (scope: Scope, admitted: (check: () => void) => void) => Promise<T>,
  ): Promise<T> {
    const scope = new Scope(signal, this.#timeoutMs, this.#timers);
    let sent: boolean | null = null;
    const admitted = (check: () => void) => {
      sent = false;
      check();
      sent = true;
    };
    try {
      this.#breaker.check();
      if (!this.#bulkhead.tryEnter()) await this.#bulkhead.enter(scope);
      try {
        // What was refused before it was sent tells nothing; a connection that was not made does, unless that is spaced out.
        const tells = (failed: boolean) => sent ?? (failed && !this.#channel.spacesStarts);
        return await this.#breaker.run(() => work(scope, admitted), tells);
      } finally {
        this.#bulkhead.leave();
      }
    } finally {
      scope.dispose();
    }
  }

  #requireReady(method: UpstreamMethod, connection: number, profile: ServerProfile): void {
    if (!profile.offers(method)) throw notOffered(method);
    // A restarted server may offer others under the same names: nothing is asked of it before they were listed anew.
    for (const kind of COMPARED[method] ?? []) {
      if ((this.#listed.get(kind) ?? connection) === connection) continue;
      throw unavailable('the server was restarted and its definitions were not compared yet');
    }
  }

  async #pages(kind: ListKind, scope: Scope, admit: ChannelRequest['admit']): Promise<JsonValue[]> {
    const found: JsonValue[] = [];
    for (let params: JsonObject = {}, pages = 1; ; pages += 1) {
      const sent = { ...this.#own.message(LISTS[kind].method, params), admit };
      const page = readPage(kind, await this.#ask(sent, scope));
      if (found.length + page.items.length > MAX_ITEMS) throw endless(kind, `more than ${MAX_ITEMS} items`);
      found.push(...page.items);
      if (page.nextCursor === null) return found;
      if (pages === MAX_PAGES) throw endless(kind, `more than ${MAX_PAGES} pages`);
      params = { cursor: page.nextCursor };
    }
  }

  /** What the gateway asks on its own behalf is answered by a result, or not at all. */
  async #ask(sent: ChannelRequest, scope: Scope): Promise<JsonObject> {
    const outcome = await this.#channel.exchange(sent, scope);
    return outcome.kind === 'complete' ? outcome.result : {};
  }

  #usable(kind: ListKind, found: JsonValue[]): Listed[] {
    const { items, leftOut } = usableItems(kind, found);
    if (leftOut.length > 0) {
      const named = leftOut.slice(0, MAX_NAMED).map((reason) => reason.slice(0, MAX_REASON));
      this.#log.write(`${kind}_left_out`, `${leftOut.length}: ${named.join('; ')}`);
    }
    return items;
  }

  #subscribe(uri: string): Promise<boolean> {
    return this.#governed(new AbortController().signal, (scope) => this.#channel.subscribe(uri, scope));
  }

  #unsubscribe(uri: string): Promise<void> {
    return this.#governed(new AbortController().signal, (scope) => this.#channel.unsubscribe(uri, scope));
  }
}

function credentialOf(
  { credential }: UpstreamSettings,
  { baseEnv, ca, lookup, egress }: UpstreamDeps,
  timers: MonotonicTimers,
): Credential | null {
  if (credential === null) return null;
  const options = lookup === undefined ? {} : { lookup };
  const peer = pinnedPeer({ tlsFingerprint: null }, { authorities: ca ?? null, client: null }, egress, () => {});
  return openCredential(credential, { baseEnv, peer, options, timers });
}

/** What a server does not offer is answered as it would itself. */
function notOffered(method: string): GatewayError {
  const cause = new UpstreamRpcError(METHOD_NOT_FOUND, 'Method not found', undefined);
  return new GatewayError('UPSTREAM_TOOL_ERROR', `the server does not offer ${method}`, { cause });
}

function saysNotOffered(error: unknown): boolean {
  const cause = error instanceof GatewayError ? error.cause : undefined;
  return cause instanceof UpstreamRpcError && cause.rpcCode === METHOD_NOT_FOUND;
}

function endless(kind: ListKind, detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', `the server's list of ${kind} has ${detail}`);
}

function unavailable(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail);
}
