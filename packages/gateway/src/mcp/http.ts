import type { JsonValue } from '@cmcp/evidence';
import type { HttpAnswer, HttpExchange } from './exchange.ts';
import { type EndpointDeps, HandshakeEndpoint, SESSION_HEADER } from './handshake/endpoint.ts';
import { classify, type RpcMessage } from './jsonrpc.ts';
import { carriesEnvelope } from './modern/envelope.ts';
import { ModernServer } from './modern/server.ts';
import { Replies, type Reply, registryStyle } from './reply.ts';
import { MODERN_REVISION } from './revisions.ts';

/** `/mcp` in every revision that we speak: one endpoint, both families (ERA-01). */
export class McpEndpoint {
  readonly #modern: ModernServer;
  readonly #handshake: HandshakeEndpoint;
  readonly #replies: Replies;

  constructor(deps: EndpointDeps) {
    this.#modern = new ModernServer(deps);
    this.#handshake = new HandshakeEndpoint(deps);
    this.#replies = new Replies(deps.gateway, registryStyle, deps.onFault);
  }

  /** Answers one parsed body. Never rejects. */
  async post(body: JsonValue, exchange: HttpExchange): Promise<Reply> {
    const message = classify(body);
    if (message.kind === 'malformed') return this.#replies.refuse(message.id, 'INVALID_REQUEST');
    if (!isModern(message, exchange)) return await this.#handshake.post(message, exchange);
    if (message.kind === 'request') {
      if (message.method === 'initialize' && !carriesEnvelope(message.params)) {
        return this.#replies.refuse(message.id, 'HEADER_MISMATCH', { data: { header: 'MCP-Protocol-Version' } });
      }
      return await this.#modern.answer(message, {
        caller: exchange.caller,
        headers: exchange.headers,
        signal: exchange.closed,
      });
    }
    // MCP26-04: a client of this family has nothing to respond to.
    if (message.kind === 'response') return this.#replies.refuse(null, 'INVALID_REQUEST');
    return this.#modern.notified(message, exchange.headers);
  }

  async get(exchange: HttpExchange): Promise<HttpAnswer> {
    return addressesSession(exchange) ? await this.#handshake.get(exchange) : this.#postOnly();
  }

  async delete(exchange: HttpExchange): Promise<HttpAnswer> {
    return addressesSession(exchange) ? await this.#handshake.delete(exchange) : this.#postOnly();
  }

  endStreams(): void {
    this.#handshake.endStreams();
  }

  /** Ends every transport session. */
  async close(): Promise<void> {
    await this.#handshake.close();
  }

  /** MCP26-01 */
  #postOnly(): Reply {
    return this.#replies.refuse(null, 'METHOD_NOT_ALLOWED', { headers: { Allow: 'POST' } });
  }
}

/** The body decides; the version header only where the body says nothing. */
function isModern(message: Exclude<RpcMessage, { kind: 'malformed' }>, { headers }: HttpExchange): boolean {
  if (message.kind !== 'response' && carriesEnvelope(message.params)) return true;
  return headers('mcp-protocol-version').includes(MODERN_REVISION);
}

function addressesSession({ headers }: HttpExchange): boolean {
  return headers(SESSION_HEADER).length > 0;
}
