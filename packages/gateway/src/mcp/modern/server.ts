import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import type { HeaderValues } from '../exchange.ts';
import type { RpcNotification, RpcRequest } from '../jsonrpc.ts';
import { Replies, type Reply, registryStyle } from '../reply.ts';
import { MODERN_REVISION, SUPPORTED_REVISIONS } from '../revisions.ts';
import { SERVER_INFO } from '../server-info.ts';
import { readCursor, readHandle, readToolParams } from '../tool-params.ts';
import type { GovernedGateway } from '../types.ts';
import { readEnvelope } from './envelope.ts';
import { disagreeingHeader, disagreeingParameter } from './header-agreement.ts';

export interface ModernDeps {
  gateway: GovernedGateway;
  /** Told of every error that no GatewayError explains. */
  onFault: (error: unknown) => void;
}

/** One request with everything that may influence its answer: nothing is remembered between requests (MCP26-20). */
export interface ModernExchange {
  caller: Caller;
  /** Null on stdio, which has no header layer. */
  headers: HeaderValues | null;
  /** Aborts when the caller no longer wants the answer. */
  signal: AbortSignal;
}

/** How long a client may keep a list or discovery result, in milliseconds; what changed is refused meanwhile. */
const FRESH_MS = 60_000;
/** What is offered depends on the credential (MCP26-23). */
const CACHING = { ttlMs: FRESH_MS, cacheScope: 'private' };
const IDENTITY = { 'io.modelcontextprotocol/serverInfo': SERVER_INFO };
/** Carry no decision: cancellation over HTTP is the closed stream, and ids of other streams are not looked up. */
const HARMLESS = new Set(['notifications/cancelled', 'notifications/progress']);

/** MCP 2026-07-28: stateless, every request complete in itself. */
export class ModernServer {
  readonly #gateway: GovernedGateway;
  readonly #replies: Replies;

  constructor(deps: ModernDeps) {
    this.#gateway = deps.gateway;
    this.#replies = new Replies(deps.gateway, registryStyle, deps.onFault);
  }

  /** Never rejects: what goes wrong is an answer. */
  async answer(request: RpcRequest, exchange: ModernExchange): Promise<Reply> {
    try {
      return this.#refusal(request, exchange.headers) ?? (await this.#dispatch(request, exchange));
    } catch (error) {
      return this.#replies.thrown(request.id, error);
    }
  }

  /** A notification over HTTP: accepted without a body, or an error without an id (MCP26-05). */
  notified(notification: RpcNotification, headers: HeaderValues): Reply {
    const method = headers('mcp-method');
    if (method.some((value) => value !== notification.method)) {
      return this.#replies.refuse(null, 'HEADER_MISMATCH', { data: { header: 'Mcp-Method' } });
    }
    return HARMLESS.has(notification.method) ? this.#replies.accepted() : this.#replies.refuse(null, 'INVALID_REQUEST');
  }

  /** What is wrong with the request as a message of this family, whatever it asks for. */
  #refusal(request: RpcRequest, headers: HeaderValues | null): Reply | null {
    const { id, method, params } = request;
    const envelope = readEnvelope(params);
    if ('missing' in envelope) {
      return this.#replies.refuse(id, 'INVALID_PARAMS', { status: 400, data: { missing: envelope.missing } });
    }
    const header = headers === null ? null : disagreeingHeader(headers, method, params, envelope.version);
    const supported = envelope.version === MODERN_REVISION;
    // A version that we do not speak may have other header rules: only its own header is held against it.
    if (header !== null && (supported || header === 'MCP-Protocol-Version')) {
      return this.#replies.refuse(id, 'HEADER_MISMATCH', { data: { header } });
    }
    if (supported) return null;
    const data = { supported: [...SUPPORTED_REVISIONS], requested: envelope.version };
    return this.#replies.refuse(id, 'UNSUPPORTED_VERSION', { data });
  }

  async #dispatch(request: RpcRequest, exchange: ModernExchange): Promise<Reply> {
    switch (request.method) {
      case 'server/discover':
        return this.#discover(request);
      case 'tools/list':
        return await this.#list(request, exchange.caller);
      case 'tools/call':
        return await this.#call(request, exchange);
      default:
        return await this.#refuseMethod(request, exchange.caller);
    }
  }

  #discover(request: RpcRequest): Reply {
    this.#gateway.count('discovered');
    const offered = { supportedVersions: [...SUPPORTED_REVISIONS], capabilities: { tools: {} } };
    return this.#complete(request, { ...offered, ...CACHING, _meta: IDENTITY });
  }

  async #list(request: RpcRequest, caller: Caller): Promise<Reply> {
    const page = await this.#gateway.listTools(caller, readCursor(request.params));
    const next: JsonObject = page.nextCursor === null ? {} : { nextCursor: page.nextCursor };
    return this.#complete(request, { tools: page.tools, ...next, ...CACHING, _meta: IDENTITY });
  }

  async #call(request: RpcRequest, { caller, headers, signal }: ModernExchange): Promise<Reply> {
    const { id, params } = request;
    const call = readToolParams(params);
    // MCP26-28: we ask for no input, so nobody can hold a state that we issued.
    if (Object.hasOwn(params, 'requestState') || Object.hasOwn(params, 'inputResponses')) {
      return this.#replies.refuse(id, 'INVALID_PARAMS');
    }
    const schema = headers === null ? null : this.#gateway.inputSchema(caller, call.name);
    if (headers !== null && schema !== null) {
      const header = disagreeingParameter(headers, schema, call.arguments);
      if (header !== null) return this.#replies.refuse(id, 'HEADER_MISMATCH', { data: { header } });
    }
    const outcome = await this.#gateway.callTool({
      caller,
      session: null,
      handle: readHandle(params),
      ...call,
      signal,
    });
    return outcome.kind === 'result' ? this.#complete(request, outcome.result) : this.#replies.outcome(id, outcome);
  }

  /** Whatever is not governed yet is refused, and that is recorded (MCP26-44). */
  async #refuseMethod({ id, method, params }: RpcRequest, caller: Caller): Promise<Reply> {
    const handle = readHandle(params);
    return this.#replies.outcome(
      id,
      await this.#gateway.refuseMethod({ caller, session: null, handle, method, params }),
    );
  }

  #complete(request: RpcRequest, result: JsonObject): Reply {
    return this.#replies.result(request.id, { ...result, resultType: 'complete' });
  }
}
