import { encodeBase64Url } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import type { Timers } from '../../timers.ts';
import {
  accepts,
  type HeaderValues,
  type HttpAnswer,
  type HttpExchange,
  type StreamSink,
  singleHeader,
} from '../exchange.ts';
import { InFlight } from '../in-flight.ts';
import type { RequestId, RpcMessage, RpcRequest } from '../jsonrpc.ts';
import { Replies, type Reply } from '../reply.ts';
import { HANDSHAKE_REVISIONS, SUPPORTED_REVISIONS } from '../revisions.ts';
import { handshakeStyle } from './error-style.ts';
import { type HandshakeDeps, initialize } from './server.ts';
import { SessionTable, type TransportSession } from './sessions.ts';

export interface EndpointDeps extends HandshakeDeps {
  clock: Clock;
  timers: Timers;
  randomBytes: (length: number) => Uint8Array;
  /** Transport sessions kept at most, and milliseconds until an unused one ends. */
  sessions: { maxOpen: number; idleMs: number };
}

export const SESSION_HEADER = 'mcp-session-id';
const VERSION_HEADER = 'mcp-protocol-version';
/** Keeps proxies from closing a silent stream, and finds out that a peer is gone. */
const HEARTBEAT_MS = 15_000;
const MAX_IN_FLIGHT = 256;
const SESSION_ID_BYTES = 32;

/** Streamable HTTP of the handshake revisions: POST, GET and DELETE with `Mcp-Session-Id`. */
export class HandshakeEndpoint {
  readonly #deps: EndpointDeps;
  readonly #sessions: SessionTable;
  readonly #replies: Replies;
  readonly #ending = new Set<Promise<void>>();
  readonly #stopSweep: () => void;

  constructor(deps: EndpointDeps) {
    this.#deps = deps;
    this.#sessions = new SessionTable(deps.clock, deps.sessions.maxOpen);
    this.#replies = new Replies(deps.gateway, handshakeStyle, deps.onFault);
    const { idleMs } = deps.sessions;
    this.#stopSweep = deps.timers.every(Math.max(1, Math.min(idleMs / 2, 60_000)), () => {
      for (const entry of this.#sessions.takeIdle(idleMs)) this.#end(entry, 'idle');
    });
  }

  async post(message: RpcMessage, exchange: HttpExchange): Promise<Reply> {
    const id = message.kind === 'request' ? message.id : null;
    if (message.kind === 'request' && message.method === 'initialize') return await this.#initialize(message, exchange);
    if (message.kind === 'request' && message.method === 'ping' && exchange.headers(SESSION_HEADER).length === 0) {
      // MCP25-01: ping is the one request that may come before initialize.
      this.#deps.gateway.count('pinged');
      return this.#replies.result(message.id, {});
    }
    const found = await this.#find(exchange, id);
    if ('status' in found) return found;
    this.#sessions.touch(found);
    if (message.kind === 'request') {
      // MCP25-13: the connection's end is not looked at, only notifications/cancelled.
      const { reply } = await found.session.answer(message);
      this.#sessions.touch(found);
      return reply;
    }
    const accepted =
      message.kind === 'response' || (message.kind === 'notification' && found.session.notified(message));
    return accepted ? this.#replies.accepted() : this.#replies.refuse(null, 'INVALID_REQUEST');
  }

  /** The stream on which a server may speak first. We have nothing to say yet: it only stays open. */
  async get(exchange: HttpExchange): Promise<HttpAnswer> {
    const found = await this.#find(exchange, null);
    if ('status' in found) return found;
    if (!accepts(exchange.headers, 'text/event-stream')) return this.#replies.refuse(null, 'NOT_ACCEPTABLE');
    return { stream: (sink) => this.#attach(found, sink) };
  }

  async delete(exchange: HttpExchange): Promise<Reply> {
    const found = await this.#find(exchange, null);
    if ('status' in found) return found;
    this.#sessions.remove(found);
    found.stream?.end();
    try {
      await found.session.end('client');
    } catch (error) {
      return this.#replies.thrown(null, error);
    }
    return { status: 204, headers: {}, body: null };
  }

  /** Open GET streams end now, so that a listener can close. */
  endStreams(): void {
    for (const { stream } of this.#sessions.all()) stream?.end();
  }

  /** Ends every session and waits for those that were ending. */
  async close(): Promise<void> {
    this.#stopSweep();
    for (const entry of this.#sessions.takeAll()) this.#end(entry, 'shutdown');
    await Promise.all(this.#ending);
  }

  async #initialize({ id, params }: RpcRequest, { caller, headers }: HttpExchange): Promise<Reply> {
    const version = singleHeader(headers, VERSION_HEADER);
    if (version !== null && (version === false || !HANDSHAKE_REVISIONS.has(version))) {
      return this.#unsupported(id, version);
    }
    // ATK-30: the id is ours, whatever id the request carried.
    const sessionId = encodeBase64Url(this.#deps.randomBytes(SESSION_ID_BYTES));
    try {
      const start = () => initialize(this.#deps, caller, params, new InFlight(MAX_IN_FLIGHT));
      const { session } = await this.#sessions.open(sessionId, caller, start, (entry) => this.#end(entry, 'idle'));
      return this.#replies.result(id, session.initializeResult(), { 'Mcp-Session-Id': sessionId });
    } catch (error) {
      return this.#replies.thrown(id, error);
    }
  }

  /** The session that a request addresses, if it is this caller's and the request speaks its revision. */
  async #find({ caller, headers }: HttpExchange, id: RequestId | null): Promise<TransportSession | Reply> {
    const sessionId = singleHeader(headers, SESSION_HEADER);
    if (sessionId === null) return this.#replies.refuse(id, 'SESSION_REQUIRED');
    if (sessionId === false) return this.#replies.refuse(id, 'INVALID_REQUEST');
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return this.#replies.refuse(id, 'SESSION_NOT_FOUND');
    if (entry.session.ref.caller.subject !== caller.subject) return await this.#foreign(entry, caller, id);
    return this.#versionRefusal(entry, headers, id) ?? entry;
  }

  /** MCP25-08: the holder of an id is not its owner. To them it does not exist; to the operator it is an event. */
  async #foreign({ session }: TransportSession, caller: Caller, id: RequestId | null): Promise<Reply> {
    try {
      await this.#deps.gateway.gatewayEvent('session.foreign', caller, { session_id: session.ref.sessionId });
    } catch (error) {
      return this.#replies.thrown(id, error);
    }
    return this.#replies.refuse(id, 'SESSION_NOT_FOUND');
  }

  /** MCP25-09: absent means the negotiated revision; anything else must be that revision. */
  #versionRefusal({ session }: TransportSession, headers: HeaderValues, id: RequestId | null): Reply | null {
    const version = singleHeader(headers, VERSION_HEADER);
    if (version === null || version === session.revision) return null;
    if (version === false || !HANDSHAKE_REVISIONS.has(version)) return this.#unsupported(id, version);
    return this.#replies.refuse(id, 'HEADER_MISMATCH', { data: { header: 'MCP-Protocol-Version' } });
  }

  #unsupported(id: RequestId | null, version: string | false): Reply {
    const requested = version === false ? {} : { requested: version };
    return this.#replies.refuse(id, 'UNSUPPORTED_VERSION', {
      data: { supported: [...SUPPORTED_REVISIONS], ...requested },
    });
  }

  /** One stream per session: a client that comes back takes over from a connection that it lost. */
  #attach(entry: TransportSession, sink: StreamSink): void {
    entry.stream?.end();
    entry.stream = sink;
    this.#sessions.touch(entry);
    const stop = this.#deps.timers.every(HEARTBEAT_MS, () => sink.write(': keep-alive\n\n'));
    sink.onClose(() => {
      stop();
      if (entry.stream !== sink) return;
      entry.stream = null;
      this.#sessions.touch(entry);
    });
    sink.write(': open\n\n');
  }

  #end(entry: TransportSession, reason: 'idle' | 'shutdown'): void {
    entry.stream?.end();
    const ending = entry.session.end(reason).catch(this.#deps.onFault);
    this.#ending.add(ending);
    void ending.finally(() => this.#ending.delete(ending));
  }
}
