import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { Timers } from '../timers.ts';
import { handshakeStyle } from './handshake/error-style.ts';
import { type HandshakeDeps, type HandshakeSession, initialize } from './handshake/server.ts';
import { InFlight } from './in-flight.ts';
import { classify, type RpcRequest } from './jsonrpc.ts';
import { carriesEnvelope } from './modern/envelope.ts';
import { ModernServer } from './modern/server.ts';
import { Replies, type Reply } from './reply.ts';

export interface StdioPeerDeps extends HandshakeDeps {
  caller: Caller;
  timers: Timers;
  /** Takes one message for the client. */
  send: (message: JsonObject) => void;
}

const MAX_IN_FLIGHT = 256;

/** The client at the other end of a pipe, in whichever revision each of its messages speaks. */
export class StdioPeer {
  readonly #deps: StdioPeerDeps;
  readonly #modern: ModernServer;
  readonly #replies: Replies;
  readonly #inFlight = new InFlight(MAX_IN_FLIGHT);
  #session: HandshakeSession | null = null;

  constructor(deps: StdioPeerDeps) {
    this.#deps = deps;
    this.#modern = new ModernServer(deps);
    this.#replies = new Replies(deps.gateway, handshakeStyle, deps.onFault);
  }

  /** Takes one message; resolves when the next may come, which for a call is at once. Never rejects. */
  async receive(value: JsonValue): Promise<void> {
    const message = classify(value);
    if (message.kind === 'response') return;
    if (message.kind === 'malformed') return this.#send(this.#replies.refuse(message.id, 'INVALID_REQUEST'));
    if (message.kind === 'notification') {
      if (message.method === 'notifications/cancelled') this.#inFlight.cancel(member(message.params, 'requestId'));
      return;
    }
    // On a shared pipe an error with this id would be taken for the answer to the request in flight.
    if (this.#inFlight.has(message.id)) return this.#send(this.#replies.refuse(null, 'INVALID_REQUEST'));
    if (carriesEnvelope(message.params)) void this.#stateless(message);
    else if (this.#session !== null) void this.#inSession(this.#session, message);
    else await this.#beforeSession(message);
  }

  /** A line that could not become a message. */
  refuse(code: 'PARSE_ERROR' | 'BODY_TOO_LARGE' | 'OVERLOADED' | 'INTERNAL_ERROR'): void {
    this.#send(this.#replies.refuse(null, code));
  }

  /** Lets calls in flight finish for `graceMs` milliseconds, aborts the rest, and ends the session. */
  async end(reason: 'client' | 'shutdown', graceMs: number): Promise<void> {
    const cancel = this.#deps.timers.after(graceMs, () => this.#inFlight.abortAll());
    await this.#inFlight.settled();
    cancel();
    await this.#session?.end(reason);
  }

  abortAll(): void {
    this.#inFlight.abortAll();
  }

  async #stateless(request: RpcRequest): Promise<void> {
    try {
      const { value, cancelled } = await this.#inFlight.run(request.id, (signal) =>
        this.#modern.answer(request, { caller: this.#deps.caller, headers: null, signal }),
      );
      if (!cancelled) this.#send(value);
    } catch (error) {
      this.#send(this.#replies.thrown(request.id, error));
    }
  }

  async #inSession(session: HandshakeSession, request: RpcRequest): Promise<void> {
    const { reply, cancelled } = await session.answer(request);
    if (!cancelled) this.#send(reply);
  }

  /** MCP25-01: initialize comes first, only ping may come before it. It cannot be cancelled: it is not among the calls. */
  async #beforeSession({ id, method, params }: RpcRequest): Promise<void> {
    if (method === 'ping') {
      this.#deps.gateway.count('pinged');
      this.#send(this.#replies.result(id, {}));
    } else if (method !== 'initialize') {
      this.#send(this.#replies.refuse(id, 'NOT_INITIALIZED'));
    } else {
      try {
        this.#session = await initialize(this.#deps, this.#deps.caller, params, this.#inFlight);
        this.#send(this.#replies.result(id, this.#session.initializeResult()));
      } catch (error) {
        this.#send(this.#replies.thrown(id, error));
      }
    }
  }

  #send({ body }: Reply): void {
    if (body !== null) this.#deps.send(body);
  }
}
