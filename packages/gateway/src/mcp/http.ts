import type { JsonValue } from '@cmcp/evidence';
import type { HttpAnswer, HttpExchange } from './exchange.ts';
import { type EndpointDeps, HandshakeEndpoint, SESSION_HEADER } from './handshake/endpoint.ts';
import { classify, type RpcMessage } from './jsonrpc.ts';
import { ModernEndpoint } from './modern/endpoint.ts';
import { carriesEnvelope } from './modern/envelope.ts';
import { PerSubject } from './per-subject.ts';
import { Replies, type Reply, registryStyle } from './reply.ts';
import { MODERN_REVISION } from './revisions.ts';

/** Streams that one caller may hold open without a request that is being served. */
const MAX_STREAMS = 256;

/** `/mcp` in every revision that we speak: one endpoint, both families (ERA-01). */
export class McpEndpoint {
  readonly #modern: ModernEndpoint;
  readonly #handshake: HandshakeEndpoint;
  readonly #replies: Replies;

  constructor(deps: Omit<EndpointDeps, 'streams'>) {
    const streams = new PerSubject(MAX_STREAMS, 'open streams');
    this.#modern = new ModernEndpoint({ ...deps, streams });
    this.#handshake = new HandshakeEndpoint({ ...deps, streams });
    this.#replies = new Replies(deps.gateway, registryStyle, deps.onFault);
  }

  /** Answers one parsed body. Never rejects. */
  async post(body: JsonValue, exchange: HttpExchange): Promise<HttpAnswer> {
    if (Array.isArray(body)) return await this.#postBatch(body, exchange);
    const message = classify(body);
    if (message.kind === 'malformed') return this.#replies.refuse(message.id, 'INVALID_REQUEST');
    if (!isModern(message, exchange)) return await this.#handshake.post(message, exchange);
    if (message.kind === 'request' && message.method === 'initialize' && !carriesEnvelope(message.params)) {
      return this.#replies.refuse(message.id, 'HEADER_MISMATCH', { data: { header: 'MCP-Protocol-Version' } });
    }
    return await this.#modern.post(message, exchange);
  }

  async get(exchange: HttpExchange): Promise<HttpAnswer> {
    return addressesSession(exchange) ? await this.#handshake.get(exchange) : this.#postOnly();
  }

  async delete(exchange: HttpExchange): Promise<HttpAnswer> {
    return addressesSession(exchange) ? await this.#handshake.delete(exchange) : this.#postOnly();
  }

  /** Streams that wait for nothing end now. */
  endStreams(): void {
    this.#handshake.endStreams();
    this.#modern.endStreams();
  }

  /** Ends every transport session and subscription. */
  async close(): Promise<void> {
    this.#modern.close();
    await this.#handshake.close();
  }

  /** Only a session can have agreed on them (MCP26-04, MCP25-05). */
  async #postBatch(messages: JsonValue[], exchange: HttpExchange): Promise<HttpAnswer> {
    if (!addressesSession(exchange) || namesModern(exchange)) return this.#replies.refuse(null, 'INVALID_REQUEST');
    return await this.#handshake.postBatch(messages, exchange);
  }

  /** MCP26-01 */
  #postOnly(): Reply {
    return this.#replies.refuse(null, 'METHOD_NOT_ALLOWED', { headers: { Allow: 'POST' } });
  }
}

/** The body decides; the version header only where the body says nothing. */
function isModern(message: Exclude<RpcMessage, { kind: 'malformed' }>, exchange: HttpExchange): boolean {
  if (message.kind !== 'response' && carriesEnvelope(message.params)) return true;
  return namesModern(exchange);
}

function namesModern({ headers }: HttpExchange): boolean {
  return headers('mcp-protocol-version').includes(MODERN_REVISION);
}

function addressesSession({ headers }: HttpExchange): boolean {
  return headers(SESSION_HEADER).length > 0;
}
