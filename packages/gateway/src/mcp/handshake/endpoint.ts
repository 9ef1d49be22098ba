import { encodeBase64Url, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { type Caller, ownerOf } from '../../caller.ts';
import { GatewayError } from '../../errors.ts';
import {
  accepts,
  type HeaderValues,
  type HttpAnswer,
  type HttpExchange,
  type StreamSink,
  singleHeader,
} from '../exchange.ts';
import { heldAtMost, LONGEST_MS } from '../held-open.ts';
import { InFlight } from '../in-flight.ts';
import type { RequestId, RpcMessage, RpcRequest } from '../jsonrpc.ts';
import type { PerSubject } from '../per-subject.ts';
import { keepAlive, PostAnswer } from '../post-answer.ts';
import { encodeMessage, Replies, type Reply } from '../reply.ts';
import { HANDSHAKE_REVISIONS, SUPPORTED_REVISIONS } from '../revisions.ts';
import { answerBatch, isBatch } from './batch.ts';
import { handshakeStyle } from './error-style.ts';
import { EventStreams } from './event-streams.ts';
import { initialize } from './initialize.ts';
import { ReplayBudget, ReplayBuffer } from './replay-buffer.ts';
import type { HandshakeDeps } from './session.ts';
import { SessionTable, type TransportSession } from './sessions.ts';

export interface EndpointDeps extends Omit<HandshakeDeps, 'newId'> {
  randomBytes: (length: number) => Uint8Array;
  /** Transport sessions kept at most, and milliseconds until an unused one ends. */
  sessions: { maxOpen: number; idleMs: number };
  /** Bounds the streams that a caller holds open. */
  streams: PerSubject;
}

export const SESSION_HEADER = 'mcp-session-id';
const VERSION_HEADER = 'mcp-protocol-version';
const LAST_EVENT_HEADER = 'last-event-id';
/** How often a client that listens is asked whether it is there. */
const PING_MS = 60_000;
const SWEEP_MS = 60_000;
/** How long, and for all sessions together how much, can be sent again. */
const REPLAY_MS = 300_000;
const REPLAY_BYTES = 67_108_864;
const MAX_IN_FLIGHT = 256;
const SESSION_ID_BYTES = 32;
const ID_BYTES = 16;

/** Streamable HTTP of the handshake revisions: POST, GET and DELETE with `Mcp-Session-Id`. */
export class HandshakeEndpoint {
  readonly #deps: EndpointDeps;
  readonly #sessions: SessionTable;
  readonly #replies: Replies;
  readonly #budget = new ReplayBudget(REPLAY_BYTES);
  readonly #ending = new Set<Promise<void>>();
  readonly #stop: (() => void)[];

  constructor(deps: EndpointDeps) {
    this.#deps = deps;
    this.#sessions = new SessionTable(deps.clock, deps.sessions.maxOpen);
    this.#replies = new Replies(deps.gateway, handshakeStyle, deps.onFault);
    const { idleMs } = deps.sessions;
    this.#stop = [
      deps.timers.every(Math.max(1, Math.min(idleMs / 2, SWEEP_MS)), () => this.#sweep(idleMs)),
      deps.gateway.onListChanged((kind) => {
        for (const { session } of this.#sessions.all()) session.listChanged(kind);
      }),
      deps.gateway.onStopped(() => this.#endStopped()),
    ];
  }

  async post(message: RpcMessage, exchange: HttpExchange): Promise<HttpAnswer> {
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
    if (message.kind === 'request') return await this.#request(found, message, exchange);
    if (message.kind === 'response') found.session.answered(message);
    const accepted =
      message.kind === 'response' || (message.kind === 'notification' && found.session.notified(message));
    return accepted ? this.#replies.accepted() : this.#replies.refuse(null, 'INVALID_REQUEST');
  }

  /** An array of messages, where the session has them (MCP25-05). */
  async postBatch(messages: JsonValue[], exchange: HttpExchange): Promise<HttpAnswer> {
    const found = await this.#find(exchange, null);
    if ('status' in found) return found;
    if (!isBatch(found.session, messages)) return this.#replies.refuse(null, 'INVALID_REQUEST');
    this.#sessions.touch(found);
    const post = this.#postAnswer(found, exchange);
    const answer = async (request: RpcRequest): Promise<Reply | null> => {
      const { reply, cancelled } = await found.session.answer(request, { caller: exchange.caller, outlet: post });
      return cancelled ? null : reply;
    };
    const { session } = found;
    void answerBatch(messages, { session, replies: this.#replies, answer }).then((reply) => {
      this.#sessions.touch(found);
      post.finish(reply);
    });
    return await post.answer;
  }

  /** The stream on which a server may speak first, or one that was interrupted (MCP25-06, MCP25-10). */
  async get(exchange: HttpExchange): Promise<HttpAnswer> {
    const found = await this.#find(exchange, null);
    if ('status' in found) return found;
    const { headers, caller } = exchange;
    if (this.#deps.gateway.isStopped(caller)) return this.#replies.refuse(null, 'BLOCKED', { status: 403 });
    if (headers('accept').length === 0 || !accepts(headers, 'text/event-stream')) {
      return this.#replies.refuse(null, 'NOT_ACCEPTABLE');
    }
    const connect = this.#connection(found, headers);
    if ('status' in connect) return connect;
    try {
      const leave = this.#deps.streams.enter(caller.subject);
      return {
        stream: (sink) => {
          this.#endWith(caller, sink);
          this.#attach(found, sink, connect.to, leave);
        },
      };
    } catch (error) {
      return this.#replies.thrown(null, error);
    }
  }

  async delete(exchange: HttpExchange): Promise<Reply> {
    const found = await this.#find(exchange, null);
    if ('status' in found) return found;
    this.#sessions.remove(found);
    try {
      await found.session.end('client');
    } catch (error) {
      return this.#replies.thrown(null, error);
    } finally {
      found.streams.end();
    }
    return { status: 204, headers: {}, body: null };
  }

  /** Streams that wait for nothing end now, so that a listener can close. */
  endStreams(): void {
    for (const { streams } of this.#sessions.all()) streams.disconnectStandalone();
  }

  #endStopped(): void {
    for (const { session, streams } of this.#sessions.all())
      if (this.#deps.gateway.isStopped(session.ref.caller)) streams.disconnectStandalone();
  }

  /** Ends every session and waits for those that were ending. */
  async close(): Promise<void> {
    for (const stop of this.#stop) stop();
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
      const { session } = await this.#open(sessionId, caller, params);
      return this.#replies.result(id, session.initializeResult(), { 'Mcp-Session-Id': sessionId });
    } catch (error) {
      return this.#replies.thrown(id, error);
    }
  }

  async #open(sessionId: string, caller: Caller, params: JsonObject): Promise<TransportSession> {
    const { clock, randomBytes, onFault } = this.#deps;
    const newId = (): string => encodeBase64Url(randomBytes(ID_BYTES));
    const streams = new EventStreams({ buffer: new ReplayBuffer(this.#budget, clock), newId });
    const announce = (message: JsonObject): void => {
      const text = encodeMessage(message, onFault);
      if (text !== null) streams.announce(text);
    };
    const carrier = { inFlight: new InFlight(MAX_IN_FLIGHT), announce };
    const start = () => initialize({ ...this.#deps, newId }, carrier, caller, params);
    const entry = await this.#sessions.open(sessionId, caller, streams, start, (each) => this.#end(each, 'idle'));
    if (entry.session.revision.rich) streams.prime();
    return entry;
  }

  async #request(entry: TransportSession, message: RpcRequest, exchange: HttpExchange): Promise<HttpAnswer> {
    const post = this.#postAnswer(entry, exchange);
    // MCP25-13: the connection's end is not looked at, only notifications/cancelled.
    void entry.session.answer(message, { caller: exchange.caller, outlet: post }).then(({ reply, cancelled }) => {
      this.#sessions.touch(entry);
      // On a stream a cancelled request has no answer; a body has to say something.
      post.finish(cancelled && post.streaming ? null : reply);
    });
    return await post.answer;
  }

  #postAnswer({ streams }: TransportSession, { headers }: HttpExchange): PostAnswer {
    const { timers, onFault } = this.#deps;
    const open = (sink: StreamSink) => {
      const stream = streams.open();
      stream.connect(sink);
      return stream;
    };
    return new PostAnswer({ timers, onFault, stream: accepts(headers, 'text/event-stream') ? open : null });
  }

  /** The session that a request addresses, if it is this caller's and the request speaks its revision. */
  async #find({ caller, headers }: HttpExchange, id: RequestId | null): Promise<TransportSession | Reply> {
    const sessionId = singleHeader(headers, SESSION_HEADER);
    if (sessionId === null) return this.#replies.refuse(id, 'SESSION_REQUIRED');
    if (sessionId === false) return this.#replies.refuse(id, 'INVALID_REQUEST');
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return this.#replies.refuse(id, 'SESSION_NOT_FOUND');
    if (ownerOf(entry.session.ref.caller) !== ownerOf(caller)) return await this.#foreign(entry, caller, id);
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
    if (version === null || version === session.revision.name) return null;
    if (version === false || !HANDSHAKE_REVISIONS.has(version)) return this.#unsupported(id, version);
    return this.#replies.refuse(id, 'HEADER_MISMATCH', { data: { header: 'MCP-Protocol-Version' } });
  }

  #unsupported(id: RequestId | null, version: string | false): Reply {
    const requested = version === false ? {} : { requested: version };
    return this.#replies.refuse(id, 'UNSUPPORTED_VERSION', {
      data: { supported: [...SUPPORTED_REVISIONS], ...requested },
    });
  }

  /** What a GET is connected to, or why to nothing. */
  #connection({ streams }: TransportSession, headers: HeaderValues): { to: (sink: StreamSink) => void } | Reply {
    const eventId = singleHeader(headers, LAST_EVENT_HEADER);
    if (eventId === null) return { to: (sink) => streams.listen(sink) };
    const to = eventId === false ? null : streams.resume(eventId);
    if (to === null) return this.#replies.refuse(null, 'INVALID_REQUEST', { data: { header: 'Last-Event-ID' } });
    // HTML standard, section 9.2.3: this status tells a client to stop connecting again.
    return to === 'nothing_follows' ? { status: 204, headers: {}, body: null } : { to };
  }

  #attach(entry: TransportSession, sink: StreamSink, connect: (sink: StreamSink) => void, leave: () => void): void {
    this.#sessions.touch(entry);
    sink.onClose(() => {
      leave();
      this.#sessions.touch(entry);
    });
    sink.write(': open\n\n');
    keepAlive(sink, this.#deps.timers);
    connect(sink);
    this.#watch(entry, sink);
  }

  /** A stream is held by the credential that it was asked for with, which nobody shows again meanwhile. */
  #endWith(caller: Caller, sink: StreamSink): void {
    if (caller.expiresMicros === undefined) return;
    const { clock, timers } = this.#deps;
    sink.onClose(timers.after(heldAtMost(caller, clock, LONGEST_MS), () => sink.end()));
  }

  /** LIFE-01: who does not answer is not there, whatever its connection says. */
  #watch({ session, streams }: TransportSession, sink: StreamSink): void {
    const ping = async (): Promise<void> => {
      if (!streams.announcesTo(sink)) return;
      try {
        await session.ping();
      } catch (error) {
        sink.end();
        if (!(error instanceof GatewayError)) this.#deps.onFault(error);
      }
    };
    sink.onClose(this.#deps.timers.every(PING_MS, () => void ping()));
  }

  #sweep(idleMs: number): void {
    for (const entry of this.#sessions.takeIdle(idleMs)) this.#end(entry, 'idle');
    for (const { streams } of this.#sessions.all()) streams.expire(REPLAY_MS);
  }

  #end({ session, streams }: TransportSession, reason: 'idle' | 'shutdown'): void {
    const ending = session
      .end(reason)
      .catch(this.#deps.onFault)
      .finally(() => streams.end());
    this.#ending.add(ending);
    void ending.finally(() => this.#ending.delete(ending));
  }
}
