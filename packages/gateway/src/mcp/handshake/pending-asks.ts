import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Timers } from '../../timers.ts';
import type { Outlet } from '../exchange.ts';
import { notificationMessage, type RpcResponse, requestMessage } from '../jsonrpc.ts';

/** Requests that one client may have to answer at once. */
const MAX_PENDING = 32;
/** Time for a program to answer, in milliseconds. */
export const PING_ANSWER_MS = 30_000;

export interface Question {
  method: string;
  params: JsonObject;
  /** Where it is asked: on the stream of the request that it belongs to. */
  outlet: Outlet;
  /** Aborts when nobody waits for the answer any more. */
  signal: AbortSignal;
  /** Milliseconds until it is given up; null: whoever asks says by `signal` when. */
  withinMs: number | null;
}

interface Pending {
  answer: (result: JsonObject) => void;
  /** Gives up, with the reason for operators. */
  fail: (error: GatewayError) => void;
}

/** What one client was asked and has not answered: our ids, held against the ids of its responses exactly (ATK-20, MCP25-11). */
export class PendingAsks {
  readonly #timers: Timers;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Rejects with ASK_UNANSWERED, or CALL_CANCELLED when nobody waits any more; the client is then told to stop. */
  async ask({ method, params, outlet, signal, withinMs }: Question): Promise<JsonObject> {
    if (signal.aborted) throw cancelled();
    if (this.#pending.size >= MAX_PENDING) throw unanswered('the client has too many requests to answer');
    this.#lastId += 1;
    const id = this.#lastId;
    if (!outlet.say(requestMessage(id, method, params))) throw unanswered('the client takes no stream');
    const { promise, resolve, reject } = Promise.withResolvers<JsonObject>();
    const stop = (error: GatewayError): void => {
      outlet.say(notificationMessage('notifications/cancelled', { requestId: id, reason: 'no longer needed' }));
      reject(error);
    };
    const abort = (): void => stop(cancelled());
    const late = (): void => stop(unanswered('the client did not answer in time'));
    const forget = withinMs === null ? () => {} : this.#timers.after(withinMs, late);
    signal.addEventListener('abort', abort, { once: true });
    this.#pending.set(id, { answer: resolve, fail: reject });
    try {
      return await promise;
    } finally {
      this.#pending.delete(id);
      signal.removeEventListener('abort', abort);
      forget();
    }
  }

  /** A response of this client. One to nothing that it was asked means nothing. */
  answered({ id, result }: RpcResponse): void {
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (result !== null) pending?.answer(result);
    else pending?.fail(unanswered('the client answered with an error'));
  }

  /** The client is gone. */
  abandon(): void {
    for (const { fail } of this.#pending.values()) fail(unanswered('the session is over'));
  }
}

function unanswered(detail: string): GatewayError {
  return new GatewayError('ASK_UNANSWERED', detail);
}

function cancelled(): GatewayError {
  return new GatewayError('CALL_CANCELLED', 'the request that asked is over');
}
