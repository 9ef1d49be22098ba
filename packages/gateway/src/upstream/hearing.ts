import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { type AskKind, askOf } from '../mcp/asks.ts';
import { answerTo, refusalOf, type ServerMessage } from '../mcp/client.ts';
import { CANCELLED, changedList, LOG_MESSAGE, PROGRESS, RESOURCE_UPDATED } from '../mcp/server-notices.ts';
import type { ChangeKind } from '../mcp/types.ts';
import type { EventLog } from './event-log.ts';
import type { Answering, RequestSide } from './request-side.ts';

export interface HearingOptions {
  /** What the catalog lets this server ask. */
  approved: readonly AskKind[];
  log: EventLog;
  onListChanged: (kind: ChangeKind) => void;
  onUpdated: (uri: string) => void;
}

/**
 * Takes what a server says beside its answers to the request that it belongs to. What belongs to none is refused or dropped,
 * and counted; nothing is guessed (MCP26-25, MCP26-31).
 */
export class Hearing {
  readonly #options: HearingOptions;
  readonly #sides = new Map<string, RequestSide>();

  constructor(options: HearingOptions) {
    this.#options = options;
  }

  /** From now on the server may speak of a request by its progress token; the returned function ends that. */
  listenFor(token: string, side: RequestSide): () => void {
    this.#sides.set(token, side);
    return () => {
      if (this.#sides.get(token) === side) this.#sides.delete(token);
    };
  }

  /**
   * @param about the request that the message is about, as far as the way that it came says so
   * @param answering null where servers of this family must not ask anything
   * @returns false when an ask was refused only because it belongs to no one request
   */
  heard(
    message: Exclude<ServerMessage, { kind: 'response' }>,
    about: RequestSide | null,
    answering: Answering | null,
  ): boolean {
    if (message.kind === 'request') return this.#requested(message, about, answering);
    if (message.kind === 'notification') this.#notified(message.method, message.params, about);
    else this.#options.log.count('unknown_response', 'an answer to no request of ours was dropped');
    return true;
  }

  #notified(method: string, params: JsonObject, about: RequestSide | null): void {
    const { onListChanged, onUpdated } = this.#options;
    const kind = changedList(method);
    const uri = method === RESOURCE_UPDATED ? member(params, 'uri') : undefined;
    if (kind !== null) onListChanged(kind);
    else if (typeof uri === 'string') onUpdated(uri);
    else if (method === CANCELLED) this.#withdrawn(member(params, 'requestId'));
    else {
      const side = method === PROGRESS ? this.#byToken(params, about) : about;
      if (side !== null && method === PROGRESS) side.progressed(params);
      else if (side !== null && method === LOG_MESSAGE) side.logged(params);
      else this.#drop();
    }
  }

  /** A token speaks for itself, but not against the way that it came. */
  #byToken(params: JsonObject, about: RequestSide | null): RequestSide | null {
    const token = member(params, 'progressToken');
    const side = typeof token === 'string' ? (this.#sides.get(token) ?? null) : null;
    return about === null || about === side ? side : null;
  }

  #withdrawn(id: JsonValue | undefined): void {
    const asked = id !== undefined && [...this.#sides.values()].some((side) => side.withdrawn(id));
    if (!asked) this.#drop();
  }

  #requested(
    { id, method, params }: Extract<ServerMessage, { kind: 'request' }>,
    about: RequestSide | null,
    answering: Answering | null,
  ): boolean {
    const { log, approved } = this.#options;
    log.count('server_request', 'the server sent a request');
    if (answering === null) return true;
    const ask = askOf(method, params);
    // MCP25-04
    if (method === 'ping') answering.short(answerTo(id, {}));
    else if (ask !== null && about !== null) about.asked(id, ask, answering);
    else if (ask === null || !approved.includes(ask.kind)) answering.short(refusalOf(id, -32601, 'Method not found'));
    else {
      answering.short(refusalOf(id, -32600, 'The request belongs to no one call in progress, so nobody can be asked'));
      return false;
    }
    return true;
  }

  #drop(): void {
    this.#options.log.count('notification', 'a notification was ignored');
  }
}
