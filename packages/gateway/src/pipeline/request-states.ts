import { canonicalSorted, type JsonObject, member, sha256Hex } from '@cmcp/evidence';
import { ownerOf } from '../caller.ts';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { type Ask, inputRequests, readInputRequests } from '../mcp/asks.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import type { SealedBox } from '../sealed-box.ts';
import { requestName, requestPayload } from './record.ts';

/** What a request that is to be sent again has to bring back. */
export type Continuation =
  /** The call waits in this process. */
  | { kind: 'parked'; id: string }
  /** The server keeps nothing: it wants its own state back, with answers to what it asked. */
  | { kind: 'passed'; state: string | null; asks: ReadonlyMap<string, Ask> };

const MAX_STATE = 256 * 1024;
const MAX_USED = 100_000;
const PURPOSE = 'cmcp-request-state-v1';

/**
 * `requestState` as clients see it (MCP26-29): sealed, bound to its owner and to the request that it belongs to, short-lived, and
 * good for one retry.
 */
export class RequestStates {
  readonly #box: SealedBox;
  readonly #clock: Clock;
  readonly #newId: () => string;
  readonly #lifetimeMicros: number;
  /** States that came back, by the time at which they lapse anyway; in that order, for all live equally long. */
  readonly #used = new Map<string, number>();

  constructor(box: SealedBox, clock: Clock, newId: () => string, lifetimeMs: number) {
    this.#box = box;
    this.#clock = clock;
    this.#newId = newId;
    this.#lifetimeMicros = lifetimeMs * 1000;
  }

  /** @throws GatewayError RESPONSE_SIZE_EXCEEDED */
  seal(request: GovernedRequest, continuation: Continuation): string {
    const value: JsonObject = {
      id: this.#newId(),
      until: this.#clock.nowMicros() + this.#lifetimeMicros,
      request: fingerprint(request),
      ...(continuation.kind === 'parked'
        ? { parked: continuation.id }
        : { state: continuation.state, asks: inputRequests(continuation.asks) }),
    };
    const text = this.#box.sealJson(binding(request), value);
    // What would not be taken back is not given out.
    if (text.length > MAX_STATE)
      throw new GatewayError('RESPONSE_SIZE_EXCEEDED', 'the state of the request is too long');
    return text;
  }

  /**
   * @throws GatewayError INVALID_PARAMS for whatever is not a fresh state of this very request by this owner
   */
  open(request: GovernedRequest, text: string): Continuation {
    const value = text.length > MAX_STATE ? null : this.#box.openJson(binding(request), text);
    if (value === null) throw refused('it was not issued to this caller');
    if (member(value, 'request') !== fingerprint(request)) throw refused('it belongs to another request');
    this.#use(String(member(value, 'id')), Number(member(value, 'until')));
    const parked = member(value, 'parked');
    if (typeof parked === 'string') return { kind: 'parked', id: parked };
    const state = member(value, 'state');
    const asks = readInputRequests(member(value, 'asks') ?? {});
    if (asks === null) throw refused('it is not readable');
    return { kind: 'passed', state: typeof state === 'string' ? state : null, asks };
  }

  #use(id: string, untilMicros: number): void {
    const now = this.#clock.nowMicros();
    for (const [used, until] of this.#used) {
      if (until > now) break;
      this.#used.delete(used);
    }
    if (untilMicros <= now) throw refused('it has expired');
    if (this.#used.has(id)) throw refused('it was used before');
    if (this.#used.size >= MAX_USED) throw new GatewayError('OVERLOADED', 'too many request states are in use');
    this.#used.set(id, untilMicros);
  }
}

const binding = ({ caller }: GovernedRequest): string => `${PURPOSE}|${ownerOf(caller)}`;

/** The method and everything that the request asks for; what it answers is not part of it. */
function fingerprint(request: GovernedRequest): string {
  return sha256Hex(canonicalSorted([request.method, requestName(request), requestPayload(request)]));
}

function refused(why: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', `the requestState is not accepted: ${why}`);
}
