import { isObject, type JsonObject, type JsonValue, member, stringifyJson } from '@cmcp/evidence';
import {
  classify,
  GatewayError,
  InFlight,
  type OutputPipe,
  type RequestId,
  type RpcNotification,
  type RpcRequest,
  type Timers,
} from '@cmcp/gateway/client';
import type { CheckedEndpoint } from './checked-endpoint.ts';
import { type Answer, type ExchangeDeps, exchange } from './exchange.ts';
import { ConnectFailure } from './failure.ts';
import { busyReply, failureReply, invalidReply, unreadableReply } from './replies.ts';
import { openSession, type Session } from './session.ts';
import { isStateless, StatelessClient } from './stateless.ts';
import { Turns } from './turns.ts';

/** Fewer than there may be connections, so that a notification always finds one. */
const MAX_IN_FLIGHT = 48;
/** Notifications that wait for those before them; beyond it the client is not read. */
const MAX_WAITING = 64;
/** For a notification to be accepted, in milliseconds: what comes after it waits so long at most. */
const NOTIFICATION_MS = 10_000;
const CANCELLED = 'notifications/cancelled';
const LISTEN = 'subscriptions/listen';

export interface BridgeDeps {
  endpoint: CheckedEndpoint;
  output: OutputPipe;
  timers: Timers;
  /** Something that a person may want to know and the client cannot be told. */
  onNote: (what: string) => void;
}

/** What is kept of a request in flight. */
interface Waiting {
  stateless: boolean;
  method: string;
  /** The client no longer waits. */
  cancelled: boolean;
}

/** Carries the messages of one client to the gateway and back, in whichever revision each of them speaks. */
export class Bridge {
  readonly #deps: BridgeDeps;
  readonly #exchange: ExchangeDeps;
  readonly #stateless: StatelessClient;
  readonly #inFlight = new InFlight(MAX_IN_FLIGHT);
  readonly #requests = new Map<RequestId, Waiting>();
  /** The handshake and notifications: what comes after them is sent after them. */
  readonly #turns = new Turns();
  readonly #givenUp = new AbortController();
  #session: Session | null = null;
  #failure: ConnectFailure | null = null;

  constructor(deps: BridgeDeps) {
    this.#deps = deps;
    this.#exchange = {
      ...deps,
      onMessage: (message) => this.#write(message),
      onDropped: (why) => deps.onNote(`dropped ${why}`),
    };
    this.#stateless = new StatelessClient(this.#exchange, (tool, why) =>
      deps.onNote(`the schema of tool ${JSON.stringify(tool)} is not valid: ${why}`),
    );
  }

  /** Takes one message of the client; resolves when the next may come. */
  async receive(value: JsonValue): Promise<void> {
    const message = classify(value);
    if (message.kind === 'malformed' || !isObject(value)) {
      const id = message.kind === 'malformed' ? message.id : null;
      this.#write(invalidReply(id, 'not a valid JSON-RPC message'));
    } else if (message.kind === 'request') {
      void this.#request(message, value);
    } else if (message.kind !== 'notification' || !this.#cancels(message)) {
      const told = this.#turns.take(() => this.#tell(message.kind === 'notification' ? message : null, value));
      if (this.#turns.waiting >= MAX_WAITING) await told;
    }
  }

  /** A line that could not become a message. */
  refuseLine(why: string): void {
    this.#write(unreadableReply(why));
  }

  /** Nothing is forwarded any more: every request that waits is answered with the reason. */
  fail(failure: ConnectFailure): void {
    this.#failure = failure;
    this.giveUp();
  }

  /** Ends whatever is under way. */
  giveUp(): void {
    this.#session?.close();
    this.#givenUp.abort();
    this.#inFlight.abortAll();
  }

  /** Lets requests in flight finish for `graceMs` milliseconds, gives up the rest, and ends the session. */
  async end(graceMs: number): Promise<void> {
    // A subscription has no end of its own.
    for (const [id, { method }] of this.#requests) if (method === LISTEN) this.#inFlight.cancel(id);
    const cancel = this.#deps.timers.after(graceMs, () => this.giveUp());
    await this.#turns.settled();
    await this.#inFlight.settled();
    cancel();
    await this.#session?.end();
  }

  async #request(request: RpcRequest, message: JsonObject): Promise<void> {
    const { id, method } = request;
    // On a shared pipe an error with this id would be taken for the answer to the request in flight.
    if (this.#inFlight.has(id)) return this.#write(invalidReply(null, 'the id belongs to a request in flight'));
    const waiting = { stateless: isStateless(request), method, cancelled: false };
    const opens = method === 'initialize' && !waiting.stateless;
    const before = this.#turns.settled();
    try {
      const { value } = await this.#inFlight.run(id, (signal) => {
        this.#requests.set(id, waiting);
        const answer = (): Promise<JsonObject | null> => this.#answer(request, message, signal);
        return opens ? this.#turns.take(answer) : before.then(answer);
      });
      if (value !== null && !waiting.cancelled) this.#write(value);
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'OVERLOADED')) throw error;
      this.#write(busyReply(id));
    } finally {
      if (this.#requests.get(id) === waiting) this.#requests.delete(id);
    }
  }

  /** What to write in answer to a request; null for nothing. Never rejects. */
  async #answer(request: RpcRequest, message: JsonObject, signal: AbortSignal): Promise<JsonObject | null> {
    try {
      const { response } = await this.#send(request, message, signal);
      if (response !== null) return response;
      // "Subscriptions, Cancellation": what closing the stream says over HTTP, on stdio a notification says.
      if (request.method === LISTEN) return { jsonrpc: '2.0', method: CANCELLED, params: { requestId: request.id } };
      throw new ConnectFailure('outcome_unknown', 'the gateway ended the answer without a response');
    } catch (error) {
      if (!(error instanceof ConnectFailure)) throw error;
      return failureReply(request.id, this.#failure ?? error);
    }
  }

  async #send(request: RpcRequest, message: JsonObject, signal: AbortSignal): Promise<Answer> {
    if (isStateless(request)) return this.#stateless.request(request, message, signal);
    if (request.method !== 'initialize') {
      if (this.#session !== null) return this.#session.request(request, message, signal);
      return exchange({ message, id: request.id, fields: [], inSession: false, signal }, this.#exchange);
    }
    if (this.#session !== null) throw new ConnectFailure('unsendable', 'the session is initialized already');
    const opened = await openSession(request, message, signal, this.#exchange, this.#deps.onNote);
    this.#session = opened.session;
    return opened.answer;
  }

  /** True when a cancellation needs no message: over HTTP, a stateless request is cancelled by closing its stream. */
  #cancels({ method, params }: RpcNotification): boolean {
    if (method !== CANCELLED) return false;
    const id = member(params, 'requestId');
    const waiting = typeof id === 'string' || typeof id === 'number' ? this.#requests.get(id) : undefined;
    if (waiting === undefined) return this.#session === null;
    waiting.cancelled = true;
    if (waiting.stateless) this.#inFlight.cancel(id);
    return waiting.stateless;
  }

  /** Sends what has no answer: a notification, or (null) a response. Never rejects. */
  async #tell(notification: RpcNotification | null, message: JsonObject): Promise<void> {
    const what = notification?.method ?? 'a response';
    const late = new AbortController();
    const stop = this.#deps.timers.after(NOTIFICATION_MS, () => late.abort());
    const signal = AbortSignal.any([late.signal, this.#givenUp.signal]);
    try {
      const answer = await this.#passOn(notification, message, signal);
      if (answer.status >= 300) this.#deps.onNote(`the gateway refused ${what} with HTTP ${answer.status}`);
    } catch (error) {
      if (!(error instanceof ConnectFailure)) throw error;
      this.#deps.onNote(`${what} was not passed on: ${error.message}`);
    } finally {
      stop();
    }
  }

  #passOn(notification: RpcNotification | null, message: JsonObject, signal: AbortSignal): Promise<Answer> {
    if (this.#session !== null) return this.#session.notify(message, signal);
    if (notification !== null) return this.#stateless.notify(notification, message, signal);
    throw new ConnectFailure('unsendable', 'there is no session that it could belong to');
  }

  #write(message: JsonObject): void {
    this.#deps.output.write(`${stringifyJson(message)}\n`);
  }
}
