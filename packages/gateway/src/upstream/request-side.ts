import { type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { covers, offerOf } from '../mcp/ask-offer.ts';
import type { Ask, AskKind, ClientAbilities } from '../mcp/asks.ts';
import { answerTo, type RequestTerms, refusalOf } from '../mcp/client.ts';
import { isWanted } from '../mcp/log-level.ts';
import { readLogMessage, readProgress } from '../mcp/server-notices.ts';
import type { Notice } from '../mcp/types.ts';
import type { EventLog } from './event-log.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { Scope } from './scope.ts';
import type { UpstreamRequest } from './types.ts';

/** What one request passes on in a second; a server that says more is not heard (MCP26-31). */
const NOTICES_PER_SECOND = 50;
/** What one request waits for at once. */
const MAX_ASKS = 8;

/** What the protocol's own examples say when a user or a policy declines. */
const REFUSED = { code: -1, message: 'The request was refused' };

/** How the server's requests are answered. */
export interface Answering {
  /** An answer that costs the server nothing to provoke: dropped where there are too many. */
  short(message: JsonObject): void;
  /** The answer to an ask that was put to the client. */
  full(message: JsonObject): void;
}

/** Key of a server's request id; `1` and `"1"` are different ids. */
export const idKey = (id: JsonValue): string => stringifyJson(id);

/** The side of one request that its server can speak to while it serves it, and no longer. */
export class RequestSide {
  /** What the server is offered for this request. */
  readonly offer: ClientAbilities;
  readonly #request: UpstreamRequest;
  readonly #approved: readonly AskKind[];
  readonly #scope: Scope;
  readonly #timers: MonotonicTimers;
  readonly #log: EventLog;
  /** Asks that the client has not answered yet, by the server's ids. */
  readonly #asks = new Map<string, AbortController>();
  #progress = Number.NEGATIVE_INFINITY;
  #second = 0;
  #notices = 0;
  #ended = false;

  constructor(
    request: UpstreamRequest,
    approved: readonly AskKind[],
    scope: Scope,
    timers: MonotonicTimers,
    log: EventLog,
  ) {
    this.offer = offerOf(request.abilities, approved);
    this.#request = request;
    this.#approved = approved;
    this.#scope = scope;
    this.#timers = timers;
    this.#log = log;
  }

  /** Under which the server reports progress of this request; null: it is not asked to. */
  get token(): string | null {
    return this.#request.wantsProgress ? this.#request.callId : null;
  }

  get terms(): RequestTerms {
    const { trace, logLevel, round } = this.#request;
    return { trace, offer: this.offer, progressToken: this.token, logLevel, round };
  }

  /** MCP26-31: only while the request runs, only what grows. */
  progressed(params: JsonObject): void {
    const notice = readProgress(params);
    if (notice === null || this.token === null || !(notice.progress > this.#progress)) this.#drop();
    else if (this.#pass(notice)) this.#progress = notice.progress;
  }

  /** MCP26-31: only what was asked for. */
  logged(params: JsonObject): void {
    const notice = readLogMessage(params);
    const { logLevel } = this.#request;
    if (notice === null || logLevel === null || !isWanted(notice.level, logLevel)) this.#drop();
    else this.#pass(notice);
  }

  /** MCP25-11: puts an ask to the client, as far as it can be asked; the clock of the request stands still meanwhile. */
  asked(id: JsonValue, ask: Ask, answering: Answering): void {
    const key = idKey(id);
    if (this.#ended || this.#asks.has(key) || this.#asks.size >= MAX_ASKS) {
      answering.short(refusalOf(id, -32600, 'Too many requests, or one under an id in use'));
    } else if (covers(this.offer, ask)) {
      this.#open(key, async (signal) => {
        const result = await this.#whatCameOf(() => this.#request.onAsk(ask, signal));
        if (!signal.aborted) answering.full(result === null ? refusal(id) : answerTo(id, result));
      });
    } else {
      this.#open(key, async (signal) => {
        await this.#whatCameOf(() => this.#request.onUnoffered(ask));
        if (!signal.aborted) answering.short(this.#unoffered(id, ask));
      });
    }
  }

  /** MCP25-12: a mode that was not declared is a wrong parameter, another request an unknown method. */
  #unoffered(id: JsonValue, { kind }: Ask): JsonObject {
    if (!this.#approved.includes(kind)) return refusalOf(id, -32601, 'Method not found');
    const code = kind === 'elicit' ? -32602 : -32601;
    return refusalOf(id, code, 'The client of this request cannot be asked this');
  }

  #open(key: string, work: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    this.#asks.set(key, controller);
    const resume = this.#scope.pause();
    controller.signal.addEventListener('abort', resume, { once: true });
    void work(controller.signal).finally(() => {
      resume();
      this.#asks.delete(key);
    });
  }

  /** The server takes back what it asked; false when it was none of this request's. */
  withdrawn(id: JsonValue): boolean {
    const controller = this.#asks.get(idKey(id));
    controller?.abort();
    return controller !== undefined;
  }

  /** The request has its answer, or was given up: what comes now belongs to nobody. */
  end(): void {
    this.#ended = true;
    for (const controller of this.#asks.values()) controller.abort();
  }

  /** What there is to tell the server; null: that it was refused. */
  async #whatCameOf<T>(asking: () => Promise<T>): Promise<T | null> {
    try {
      return await asking();
    } catch (error) {
      // A defect of our own is not told to the server as a decision: it ends the request.
      if (!(error instanceof GatewayError)) {
        this.#scope.fail(new GatewayError('INTERNAL_ERROR', 'an ask failed', { cause: error }));
      }
      return null;
    }
  }

  #pass(notice: Notice): boolean {
    if (this.#ended) return this.#drop();
    const second = Math.floor(this.#timers.nowMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#notices = 0;
    }
    this.#notices += 1;
    if (this.#notices > NOTICES_PER_SECOND) return this.#drop();
    this.#request.onNotice(notice);
    return true;
  }

  #drop(): false {
    this.#log.count('notification', 'a notification was ignored');
    return false;
  }
}

const refusal = (id: JsonValue): JsonObject => refusalOf(id, REFUSED.code, REFUSED.message);
