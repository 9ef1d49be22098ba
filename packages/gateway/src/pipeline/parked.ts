import { isObject, type JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Ask } from '../mcp/asks.ts';
import { inputRequests } from '../mcp/asks.ts';
import type { ClientSide, GovernedRequest, Notice, Outcome } from '../mcp/types.ts';
import type { RequestStates } from './request-states.ts';
import type { Side } from './side.ts';

interface Waiting {
  ask: Ask;
  resolve: (answer: JsonObject) => void;
}

/** Calls whose server waits for an answer while their client is away to find it. */
const MAX_PARKED = 1024;
const MAX_PARKED_PER_SUBJECT = 64;

/**
 * Calls of clients that are asked by an interim answer (2026-07-28), to servers that ask while their request waits (the
 * handshake revisions). Such a call is one call: it goes on here while its client goes away and comes back.
 */
export class ParkedCalls {
  readonly #states: RequestStates;
  readonly #newId: () => string;
  readonly #calls = new Map<string, ParkedCall>();

  constructor(states: RequestStates, newId: () => string) {
    this.#states = states;
    this.#newId = newId;
  }

  /** Runs `work` for a request; resolves with its outcome, or as soon as the client is asked something, with the question. */
  start(request: GovernedRequest, work: (side: ParkedCall) => Promise<Outcome>): Promise<Outcome> {
    const call = new ParkedCall(request, {
      park: (parked) => this.#park(request, parked),
      // A state lasts one round: the client gets another with each question.
      state: (id, latest) => this.#states.seal(latest, { kind: 'parked', id }),
      leave: (id) => this.#calls.delete(id),
    });
    return call.begin(request, work);
  }

  /** @throws GatewayError INVALID_PARAMS when the call has ended meanwhile, or its owner comes back as somebody who may other things */
  find(id: string, caller: Caller): ParkedCall {
    const call = this.#calls.get(id);
    if (call === undefined) throw new GatewayError('INVALID_PARAMS', 'the call of this requestState has ended');
    // What it was allowed, it was with the credential that it began with.
    if (call.standing === standingOf(caller)) return call;
    throw new GatewayError('INVALID_PARAMS', 'the call was begun with other scopes or groups than this credential has');
  }

  #park({ caller }: GovernedRequest, call: ParkedCall): string {
    const own = [...this.#calls.values()].filter(({ subject }) => subject === caller.subject);
    if (this.#calls.size >= MAX_PARKED || own.length >= MAX_PARKED_PER_SUBJECT) {
      throw new GatewayError('OVERLOADED', 'too many calls wait for an answer of their clients');
    }
    const id = this.#newId();
    this.#calls.set(id, call);
    return id;
  }
}

/** The same as long as the credential says the same: its owner may have got another meanwhile. */
function standingOf({ scopes, groups }: Caller): string {
  return JSON.stringify([scopes?.toSorted() ?? null, groups?.toSorted() ?? null]);
}

/** What a parked call needs of where it is parked. */
interface Lot {
  park: (call: ParkedCall) => string;
  state: (id: string, request: GovernedRequest) => string;
  leave: (id: string) => void;
}

/** One round trip of the client: a request, and how it is answered. */
interface Exchange {
  request: GovernedRequest;
  answer: (outcome: Outcome) => void;
  fail: (error: unknown) => void;
  release: () => void;
}

export class ParkedCall implements Side {
  readonly abilities: ClientSide['abilities'];
  readonly wantsProgress: boolean;
  readonly logLevel: ClientSide['logLevel'];
  readonly comesBack = true;
  readonly subject: string;
  readonly standing: string;
  /** Ids of the call, for its interim answers; set once it is admitted. */
  meta: JsonObject = {};
  readonly #lot: Lot;
  readonly #abort = new AbortController();
  readonly #waiting = new Map<string, Waiting>();
  #exchange: Exchange | null = null;
  #id: string | null = null;
  #asked = 0;

  constructor({ client, caller }: GovernedRequest, lot: Lot) {
    this.abilities = client.abilities;
    this.wantsProgress = client.wantsProgress;
    this.logLevel = client.logLevel;
    this.subject = caller.subject;
    this.standing = standingOf(caller);
    this.#lot = lot;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** While the client is away there is nobody to tell. */
  notify(notice: Notice): void {
    this.#exchange?.request.client.notify(notice);
  }

  begin(request: GovernedRequest, work: (call: ParkedCall) => Promise<Outcome>): Promise<Outcome> {
    const answered = this.#attach(request);
    work(this)
      .finally(() => {
        if (this.#id !== null) this.#lot.leave(this.#id);
      })
      .then(
        (outcome) => this.#detach()?.answer(outcome),
        (error: unknown) => this.#detach()?.fail(error),
      );
    return answered;
  }

  /** The client is back. What it does not answer it is asked again. */
  resume(request: GovernedRequest): Promise<Outcome> {
    const answered = this.#attach(request);
    for (const [key, answer] of Object.entries(request.round?.responses ?? {})) {
      const waiting = this.#waiting.get(key);
      this.#waiting.delete(key);
      waiting?.resolve(isObject(answer) ? answer : {});
    }
    if (this.#waiting.size > 0) this.#interim();
    return answered;
  }

  ask(ask: Ask, signal: AbortSignal): Promise<JsonObject> {
    this.#id ??= this.#lot.park(this);
    this.#asked += 1;
    const key = `ask-${this.#asked}`;
    return new Promise((resolve, reject) => {
      const forget = (): void => {
        this.#waiting.delete(key);
        reject(new GatewayError('ASK_UNANSWERED', 'the client did not come back with an answer in time'));
      };
      signal.addEventListener('abort', forget, { once: true });
      this.#waiting.set(key, { ask, resolve });
      if (signal.aborted) forget();
      else this.#interim();
    });
  }

  #attach(request: GovernedRequest): Promise<Outcome> {
    return new Promise((answer, fail) => {
      const cancel = (): void => this.#abort.abort();
      request.signal.addEventListener('abort', cancel, { once: true });
      const release = (): void => request.signal.removeEventListener('abort', cancel);
      this.#exchange = { request, answer, fail, release };
      if (request.signal.aborted) cancel();
    });
  }

  #detach(): Exchange | null {
    const exchange = this.#exchange;
    exchange?.release();
    this.#exchange = null;
    return exchange;
  }

  /** Tells the client, if it is here, everything that is waited for. */
  #interim(): void {
    const exchange = this.#detach();
    if (exchange === null || this.#id === null) return;
    const asks = new Map([...this.#waiting].map(([key, { ask }]) => [key, ask]));
    const requestState = this.#lot.state(this.#id, exchange.request);
    const result = { inputRequests: inputRequests(asks), requestState, _meta: { 'io.cmcp/call': this.meta } };
    exchange.answer({ kind: 'result', type: 'input_required', result });
  }
}
