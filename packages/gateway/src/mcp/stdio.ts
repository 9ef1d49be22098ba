import { encodeBase64Url, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { Outlet } from './exchange.ts';
import { answerBatch, isBatch } from './handshake/batch.ts';
import { handshakeStyle } from './handshake/error-style.ts';
import { initialize } from './handshake/initialize.ts';
import type { HandshakeDeps, HandshakeSession } from './handshake/session.ts';
import { InFlight } from './in-flight.ts';
import { classify, notificationMessage, type RequestId, type RpcRequest } from './jsonrpc.ts';
import { carriesEnvelope } from './modern/envelope.ts';
import { LISTEN, ModernServer } from './modern/server.ts';
import { PerSubject } from './per-subject.ts';
import { Replies, type Reply } from './reply.ts';

export interface StdioPeerDeps extends Omit<HandshakeDeps, 'newId'> {
  caller: Caller;
  randomBytes: (length: number) => Uint8Array;
  /** Takes one message for the client, or the messages of a batch. */
  send: (message: JsonObject | JsonObject[]) => void;
  /** Whether the client reads slower than is written: what may be left out is. */
  full: () => boolean;
}

const MAX_IN_FLIGHT = 256;
/** Fewer than requests that may be in flight: who listens can still ask. */
const MAX_LISTENING = 64;
const ID_BYTES = 16;

/** The client at the other end of a pipe, in whichever revision each of its messages speaks. */
export class StdioPeer {
  readonly #deps: StdioPeerDeps;
  readonly #modern: ModernServer;
  readonly #replies: Replies;
  readonly #inFlight = new InFlight(MAX_IN_FLIGHT);
  readonly #stop: () => void;
  #session: HandshakeSession | null = null;

  constructor(deps: StdioPeerDeps) {
    this.#deps = deps;
    this.#modern = new ModernServer({ ...deps, streams: new PerSubject(MAX_LISTENING, 'subscriptions') });
    this.#replies = new Replies(deps.gateway, handshakeStyle, deps.onFault);
    this.#stop = deps.gateway.onListChanged((kind) => this.#session?.listChanged(kind));
  }

  /** Takes one message; resolves when the next may come, which for a call is at once. Never rejects. */
  async receive(value: JsonValue): Promise<void> {
    if (Array.isArray(value)) return this.#batch(value);
    const message = classify(value);
    if (message.kind === 'response') return this.#session?.answered(message);
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
    this.#stop();
    // A subscription has no end of its own.
    this.#modern.close();
    const cancel = this.#deps.timers.after(graceMs, () => this.#inFlight.abortAll());
    await this.#inFlight.settled();
    cancel();
    await this.#session?.end(reason);
  }

  /** What is said of a request before its answer; on a pipe it always can be. */
  #outlet(): Outlet {
    const { send, full } = this.#deps;
    return {
      open: true,
      say(message, expendable = false) {
        if (!(expendable && full())) send(message);
        return true;
      },
    };
  }

  async #stateless(request: RpcRequest): Promise<void> {
    try {
      const { value, cancelled } = await this.#inFlight.run(request.id, (signal) =>
        request.method === LISTEN ? this.#listen(request, signal) : this.#answer(request, signal),
      );
      if (!cancelled && value !== null) this.#send(value);
    } catch (error) {
      this.#send(this.#replies.thrown(request.id, error));
    }
  }

  #answer(request: RpcRequest, signal: AbortSignal): Promise<Reply> {
    return this.#modern.answer(request, { caller: this.#deps.caller, headers: null, signal }, this.#outlet());
  }

  /** Lasts until either side ends it; the answer, if there is one, has then been sent. */
  async #listen(request: RpcRequest, signal: AbortSignal): Promise<Reply | null> {
    const listening = await this.#modern.listen(request, { caller: this.#deps.caller, headers: null, signal });
    if ('status' in listening) return listening;
    const { promise, resolve } = Promise.withResolvers<null>();
    signal.addEventListener('abort', () => {
      listening.end();
      resolve(null);
    });
    const { send } = this.#deps;
    const end = (): void => {
      send(endOfSubscription(request.id));
      resolve(null);
    };
    listening.begin({ send, end });
    return await promise;
  }

  async #inSession(session: HandshakeSession, request: RpcRequest): Promise<void> {
    const { reply, cancelled } = await session.answer(request, { caller: this.#deps.caller, outlet: this.#outlet() });
    if (!cancelled) this.#send(reply);
  }

  #batch(messages: JsonValue[]): void {
    const session = this.#session;
    if (session === null || !isBatch(session, messages)) {
      this.#send(this.#replies.refuse(null, 'INVALID_REQUEST'));
      return;
    }
    const outlet = this.#outlet();
    const answer = async (request: RpcRequest): Promise<Reply | null> => {
      if (this.#inFlight.has(request.id)) return this.#replies.refuse(null, 'INVALID_REQUEST');
      const { reply, cancelled } = await session.answer(request, { caller: this.#deps.caller, outlet });
      return cancelled ? null : reply;
    };
    void answerBatch(messages, { session, replies: this.#replies, answer }).then((reply) => this.#send(reply));
  }

  /** MCP25-01: initialize comes first, only ping may come before it. It cannot be cancelled: it is not among the calls. */
  async #beforeSession({ id, method, params }: RpcRequest): Promise<void> {
    if (method === 'ping') {
      this.#deps.gateway.count('pinged');
      this.#send(this.#replies.result(id, {}));
    } else if (method !== 'initialize') {
      this.#send(this.#replies.refuse(id, 'NOT_INITIALIZED'));
    } else {
      await this.#initialize(id, params);
    }
  }

  async #initialize(id: RequestId, params: JsonObject): Promise<void> {
    const { caller, randomBytes, send } = this.#deps;
    const deps = { ...this.#deps, newId: () => encodeBase64Url(randomBytes(ID_BYTES)) };
    try {
      this.#session = await initialize(deps, { inFlight: this.#inFlight, announce: send }, caller, params);
      this.#send(this.#replies.result(id, this.#session.initializeResult()));
    } catch (error) {
      this.#send(this.#replies.thrown(id, error));
    }
  }

  #send({ body }: Reply): void {
    if (body !== null) this.#deps.send(body);
  }
}

/**
 * "Cancellation" asks for this notification where a subscription is torn down, "Subscriptions" for the result that was sent before:
 * a client that knows one of them ignores the other.
 */
function endOfSubscription(requestId: RequestId): JsonObject {
  return notificationMessage('notifications/cancelled', { requestId });
}
