import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import { GatewayError } from '../../errors.ts';
import type { InFlight } from '../in-flight.ts';
import type { RpcNotification, RpcRequest } from '../jsonrpc.ts';
import { Replies, type Reply } from '../reply.ts';
import { HANDSHAKE_REVISIONS, LATEST_HANDSHAKE_REVISION } from '../revisions.ts';
import { SERVER_INFO } from '../server-info.ts';
import { readCursor, readToolParams } from '../tool-params.ts';
import type { GovernedGateway, SessionRef } from '../types.ts';
import { handshakeStyle } from './error-style.ts';

export interface HandshakeDeps {
  gateway: GovernedGateway;
  /** Told of every error that no GatewayError explains. */
  onFault: (error: unknown) => void;
}

/** Notifications that change nothing here and may be dropped; any other is refused. */
const HARMLESS = new Set([
  'notifications/initialized',
  'notifications/progress',
  'notifications/roots/list_changed',
  'notifications/cancelled',
]);

/** One client's session in a handshake revision (2025-11-25, 2025-06-18), whatever carries its messages. */
export class HandshakeSession {
  /** The revision that was negotiated. */
  readonly revision: string;
  readonly ref: SessionRef;
  readonly #deps: HandshakeDeps;
  readonly #replies: Replies;
  readonly #inFlight: InFlight;
  #ended: Promise<void> | null = null;

  constructor(deps: HandshakeDeps, ref: SessionRef, revision: string, inFlight: InFlight) {
    this.#deps = deps;
    this.#replies = new Replies(deps.gateway, handshakeStyle, deps.onFault);
    this.#inFlight = inFlight;
    this.ref = ref;
    this.revision = revision;
  }

  get busy(): boolean {
    return this.#inFlight.size > 0;
  }

  /** What `initialize` is answered with. */
  initializeResult(): JsonObject {
    // MCP26-44: nothing is declared that is not governed.
    return { protocolVersion: this.revision, capabilities: { tools: {} }, serverInfo: SERVER_INFO };
  }

  /** Never rejects. `cancelled`: the client said that it no longer waits for this answer. */
  async answer(request: RpcRequest): Promise<{ reply: Reply; cancelled: boolean }> {
    try {
      const { value, cancelled } = await this.#inFlight.run(request.id, (signal) => this.#safely(request, signal));
      return { reply: value, cancelled };
    } catch (error) {
      return { reply: this.#replies.thrown(request.id, error), cancelled: false };
    }
  }

  /** False when the notification is none that a client may send here. */
  notified({ method, params }: RpcNotification): boolean {
    if (method === 'notifications/cancelled') this.#inFlight.cancel(member(params, 'requestId'));
    return HARMLESS.has(method);
  }

  /** Aborts what runs, waits until it is recorded, then ends the audited session. Once. */
  end(reason: 'client' | 'idle' | 'shutdown'): Promise<void> {
    this.#ended ??= this.#end(reason);
    return this.#ended;
  }

  async #end(reason: 'client' | 'idle' | 'shutdown'): Promise<void> {
    this.#inFlight.abortAll();
    await this.#inFlight.settled();
    await this.#deps.gateway.endSession(this.ref, reason);
  }

  async #safely(request: RpcRequest, signal: AbortSignal): Promise<Reply> {
    try {
      return await this.#dispatch(request, signal);
    } catch (error) {
      return this.#replies.thrown(request.id, error);
    }
  }

  async #dispatch(request: RpcRequest, signal: AbortSignal): Promise<Reply> {
    const { id, method, params } = request;
    const { gateway } = this.#deps;
    const { caller } = this.ref;
    switch (method) {
      case 'ping':
        gateway.count('pinged');
        return this.#replies.result(id, {});
      case 'initialize':
        return this.#replies.refuse(id, 'INVALID_REQUEST');
      case 'tools/list': {
        const page = await gateway.listTools(caller, readCursor(params));
        const next: JsonObject = page.nextCursor === null ? {} : { nextCursor: page.nextCursor };
        return this.#replies.result(id, { tools: page.tools, ...next });
      }
      case 'tools/call': {
        const call = readToolParams(params);
        return this.#replies.outcome(
          id,
          await gateway.callTool({ caller, session: this.ref, handle: null, ...call, signal }),
        );
      }
      default:
        return this.#replies.outcome(
          id,
          await gateway.refuseMethod({ caller, session: this.ref, handle: null, method, params }),
        );
    }
  }
}

/**
 * Opens a session for the parameters of `initialize`.
 * @throws GatewayError INVALID_PARAMS, or whatever opening the audited session throws
 */
export async function initialize(
  deps: HandshakeDeps,
  caller: Caller,
  params: JsonObject,
  inFlight: InFlight,
): Promise<HandshakeSession> {
  const requested = member(params, 'protocolVersion');
  if (typeof requested !== 'string') throw new GatewayError('INVALID_PARAMS', 'protocolVersion must be a string');
  for (const key of ['capabilities', 'clientInfo']) {
    const value = member(params, key);
    if (value !== undefined && !isObject(value)) throw new GatewayError('INVALID_PARAMS', `${key} must be an object`);
  }
  // MCP25-02
  const revision = HANDSHAKE_REVISIONS.has(requested) ? requested : LATEST_HANDSHAKE_REVISION;
  return new HandshakeSession(deps, await deps.gateway.openSession(caller), revision, inFlight);
}
