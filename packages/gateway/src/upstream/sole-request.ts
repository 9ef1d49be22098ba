import { GatewayError } from '../errors.ts';
import { askOf } from '../mcp/asks.ts';
import type { ServerMessage } from '../mcp/client.ts';
import type { RequestSide } from './request-side.ts';

/** After these the server is done with a request, or never had it. */
const SETTLED = new Set(['UPSTREAM_TOOL_ERROR', 'UPSTREAM_UNAVAILABLE']);

/**
 * Whom a server means that asks on the stream of its session, which names no request: the one that it works on, if there is
 * just one and none was given up that it may still be at. Roots are left out: asked for there, they are those of the session,
 * which is nobody's.
 */
export class SoleRequest {
  readonly #sides = new Set<RequestSide>();
  #givenUp = false;

  /** Does `work` for a request, whose side is `side`; null: nobody can be asked for it. */
  async during<T>(side: RequestSide | null, work: () => Promise<T>): Promise<T> {
    if (side === null) return await work();
    this.#sides.add(side);
    try {
      return await work();
    } catch (error) {
      this.#givenUp ||= !(error instanceof GatewayError) || !SETTLED.has(error.code);
      throw error;
    } finally {
      this.#sides.delete(side);
    }
  }

  /** Nothing can be attributed any more, and nothing is in progress: a fresh session has nothing left of what was given up. */
  get spent(): boolean {
    return this.#givenUp && this.#sides.size === 0;
  }

  /** The request that a message on the session's stream belongs to; null: to none, or it is not clear to which. */
  meant(message: ServerMessage): RequestSide | null {
    if (!asksAside(message) || this.#givenUp || this.#sides.size !== 1) return null;
    const [only = null] = this.#sides;
    return only;
  }
}

/** A server asks this of the agent of one request, and does not say of which. */
export function asksAside(message: ServerMessage): boolean {
  const ask = message.kind === 'request' ? askOf(message.method, message.params) : null;
  return ask !== null && ask.kind !== 'list_roots';
}
